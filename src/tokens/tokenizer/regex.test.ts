import { describe, expect, test } from "vitest";
import { compilePattern } from "./regex.ts";

const matches = (pattern: string, text: string): string[] => {
  const regex = compilePattern(pattern);
  regex.lastIndex = 0;
  return text.match(regex) ?? [];
};

describe("compilePattern", () => {
  test.each([
    ["\\s+", "a\u0085\u00a0b\ufeffc", ["\u0085\u00a0"]],
    ["[^\\s]+", "a\u0085b\ufeffc", ["a", "b\ufeffc"]],
    ["(?i:'s|'ll)", "'S 'ſ 'lL 'x", ["'S", "'ſ", "'lL"]],
    ["(?i)ab|c", "AB C", ["AB", "C"]],
    ["a++b|a", "aab aac", ["aab", "a", "a"]],
    ["a++a|b", "aaa b", ["b"]],
    ["(?>ab|a)c", "abc ac", ["abc", "ac"]],
    ["\\p{N}{1,3}", "12345½", ["123", "45½"]],
    ["\\p{Han}+|[\\p{L}&&[^\\p{Han}]]+", "ab漢字cd", ["ab", "漢字", "cd"]],
    ["[[:alpha:]]+", "aé1", ["aé"]],
    ["\\d+", "1٣x", ["1٣"]],
    ["[\\]\\-a-c]+", "]-b d", ["]-b"]],
    ["[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~]+", "a[]^~-", ["[]^~-"]],
    ["^b", "a\nb", ["b"]],
    [".", "\r\n\u2028", ["\r", "\u2028"]],
    ["\\x41\\x{42}\\u0043", "ABC", ["ABC"]],
    ["a{,2}b", "aab b", ["aab", "b"]],
    ["\\h+", "xyz09af", ["09af"]],
    ["\\w+", "x² ½a", ["x²", "½a"]],
    ["[\\w]+", "x² ½a", ["x", "a"]],
    ["a\\b", "a² a", ["a"]],
    ["[[:punct:]]+", "a$☺- b", ["$☺-"]],
    ["[[:graph:]]+", "a\u0007b c", ["a", "b", "c"]],
    ["\\N+", "a\r\nb", ["a\r", "b"]],
    ["[a-z]?'t", "don't", ["n't"]],
  ])("%s", (pattern, text, expected) => {
    expect(matches(pattern, text)).toEqual(expected);
  });

  test.each(["(a", "a)", "\\p{Nonsense}", "[a", "*a", "(a)\\1", "\\X", "\\K"])("%s is a tokenizer_error", (pattern) => {
    expect(() => compilePattern(pattern)).toThrow(expect.objectContaining({ code: "tokenizer_error" }));
  });
});
