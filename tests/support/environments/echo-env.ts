/** An environment for tests that run it as a program: asks for one completion per rollout and rewards an echo. */
import { z } from "zod";
import { type ChatMessage, textOf } from "../../../src/core/index.ts";
import { BaseEnv } from "../../../src/environment/base-env.ts";
import type { Rollout } from "../../../src/environment/rollout.ts";

const Config = BaseEnv.Config.extend({ items: z.int().default(20).describe("How many items there are") });

interface Item {
  id: string;
  word: string;
}

export default class EchoEnv extends BaseEnv<typeof Config, Item> {
  static override name = "echo";
  static override Config = Config;
  #next = 0;

  override async setup() {
    this.evalItems = Array.from({ length: this.config.items }, (_, index) => itemAt(index));
  }

  override async getNextItem() {
    return this.#next < this.config.items ? itemAt(this.#next++) : null;
  }

  override async collectTrajectory(item: Item, rollout: Rollout) {
    const messages: ChatMessage[] = [{ role: "user", content: `${item.id}/${rollout.member}: say ${item.word}` }];
    const { signal, split } = rollout;
    const answer = await rollout.session.server.chatCompletion({ messages, signal, split });
    const { message } = answer.choices[0]!;
    return {
      messages: [...messages, message],
      reward: textOf(message.content) === item.word,
      result: { usage: answer.usage },
    };
  }
}

function itemAt(index: number): Item {
  return { id: `item-${index}`, word: `w${index}` };
}

EchoEnv.cli(import.meta);
