/** The UnicodeScripts pre-tokenizer: cuts where the script changes, as SentencePiece does. */
import type { Piece } from "./pieces.ts";

const NAMES =
  "Latin Common Han Hiragana Katakana Hangul Cyrillic Greek Arabic Hebrew Devanagari Thai Inherited Armenian Bengali " +
  "Bopomofo Braille Canadian_Aboriginal Cherokee Ethiopic Georgian Gujarati Gurmukhi Kannada Khmer Lao Malayalam Mongolian " +
  "Myanmar Oriya Sinhala Syriac Tamil Telugu Thaana Tibetan Yi Adlam Ahom Anatolian_Hieroglyphs Avestan Balinese Bamum " +
  "Bassa_Vah Batak Bhaiksuki Brahmi Buginese Buhid Carian Caucasian_Albanian Chakma Cham Coptic Cuneiform Cypriot Deseret " +
  "Duployan Egyptian_Hieroglyphs Elbasan Glagolitic Gothic Grantha Hanunoo Hatran Imperial_Aramaic Inscriptional_Pahlavi " +
  "Inscriptional_Parthian Javanese Kaithi Kayah_Li Kharoshthi Khojki Khudawadi Lepcha Limbu Linear_A Linear_B Lisu Lycian " +
  "Lydian Mahajani Mandaic Manichaean Marchen Meetei_Mayek Mende_Kikakui Meroitic_Cursive Meroitic_Hieroglyphs Miao Modi " +
  "Mro Multani Nabataean New_Tai_Lue Newa Nko Ogham Ol_Chiki Old_Hungarian Old_Italic Old_North_Arabian Old_Permic " +
  "Old_Persian Old_South_Arabian Old_Turkic Osage Osmanya Pahawh_Hmong Palmyrene Pau_Cin_Hau Phags_Pa Phoenician " +
  "Psalter_Pahlavi Rejang Runic Samaritan Saurashtra Sharada Shavian Siddham SignWriting Sora_Sompeng Sundanese " +
  "Syloti_Nagri Tagalog Tagbanwa Tai_Le Tai_Tham Tai_Viet Takri Tangut Tifinagh Tirhuta Ugaritic Vai Warang_Citi";

const SCRIPTS: readonly [name: string, pattern: RegExp][] = NAMES.split(" ").map((name) => [
  name,
  new RegExp(`\\p{Script=${name}}`, "v"),
]);

/** Kana counts as Han; null for what belongs to no script, the space among it. */
function scriptOf(char: string): string | null {
  if (char === " ") return null;
  if (char === "\u30fc") return "Han";
  const name = SCRIPTS.find(([, pattern]) => pattern.test(char))?.[0] ?? null;
  return name === "Hiragana" || name === "Katakana" ? "Han" : name;
}

/** Pieces of one script each. What stands before the first character that has a script is dropped, as in the Rust crate. */
export function unicodeScripts(piece: Piece): Piece[] {
  const starts: number[] = [];
  let last: string | null = null;
  let at = 0;
  for (const char of piece.text) {
    const script = scriptOf(char);
    if (script !== null) {
      if (script !== last) starts.push(at);
      last = script;
    }
    at += char.length;
  }
  return starts.map((start, index) => ({
    text: piece.text.slice(start, starts[index + 1] ?? piece.text.length),
    first: piece.first && start === 0,
  }));
}
