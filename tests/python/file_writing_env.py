"""An environment in Python as users of atroposlib have them, for the interoperability test.

It subclasses atroposlib's BaseEnv and changes nothing of it: registration, status, gzip and sending are the library's own
code. The model is asked to write a text into a file; what it samples and the tokens come from its inference server.
"""

import random
from typing import List, Optional, Tuple

from atroposlib.envs.base import APIServerConfig, BaseEnv, BaseEnvConfig, ScoredDataGroup
from pydantic import Field

WORDS = "amber basil cedar delta ember fjord grove hazel iris jade".split()


class FileWritingConfig(BaseEnvConfig):
    parts: int = Field(default=1, description="Groups that an item's rollouts are cut into; more than one are sent as a list")
    first: int = Field(default=0, description="Seed of the first item")


class FileWritingEnv(BaseEnv):
    name = "file_writing"
    env_config_cls = FileWritingConfig

    @classmethod
    def config_init(cls) -> Tuple[FileWritingConfig, List[APIServerConfig]]:
        return FileWritingConfig(use_wandb=False, group_size=4, max_token_length=96, wandb_name=cls.name), [
            APIServerConfig(server_type="vllm", model_name="tiny", base_url="http://127.0.0.1:9001/v1", api_key="x")
        ]

    async def setup(self):
        self.next = self.config.first
        self.evaluated = 0

    async def get_next_item(self):
        chance = random.Random(self.next)
        self.next += 1
        return {"file": f"{chance.choice(WORDS)}.txt", "text": " ".join(chance.sample(WORDS, 3))}

    async def collect_trajectories(self, item):
        request = f"Create a file at ~/{item['file']} containing exactly the text: {item['text']}"
        messages = [{"role": "user", "content": request}]
        async with self.server.managed_server(tokenizer=self.tokenizer) as managed:
            answer = await managed.chat_completion(
                messages=messages, n=self.config.group_size, max_tokens=self.config.max_token_length, temperature=1.0
            )
            nodes = managed.get_state()["nodes"]
        rollouts = [
            (node, messages + [{"role": "assistant", "content": choice.message.content}], self.reward(item, choice))
            for node, choice in zip(nodes, answer.choices)
        ]
        size = self.config.group_size // self.config.parts
        groups = [self.group(rollouts[start : start + size]) for start in range(0, len(rollouts), size)]
        return (groups[0] if self.config.parts == 1 else groups), []

    def reward(self, item, choice) -> float:
        """Most for the whole text in the right file, a little for each word, so that scores differ."""
        said = choice.message.content
        words = item["text"].split()
        return float(item["text"] in said and item["file"] in said) + sum(word in said for word in words) / 10

    def group(self, rollouts) -> ScoredDataGroup:
        group = ScoredDataGroup(
            tokens=[node.tokens for node, _, _ in rollouts],
            masks=[node.masked_tokens for node, _, _ in rollouts],
            scores=[reward for _, _, reward in rollouts],
            inference_logprobs=[node.logprobs for node, _, _ in rollouts],
            messages=[messages for _, messages, _ in rollouts],
            overrides=[{"set_advantage_to_zero": reward == 0} for _, _, reward in rollouts],
            generation_params={"temperature": 1.0},
        )
        if len(rollouts) != self.config.group_size:
            group["group_overrides"] = {"group_size": len(rollouts)}
        return group

    async def evaluate(self, *args, **kwargs):
        self.evaluated += 1

    def save_checkpoint(self, step, data: Optional[dict] = None):
        super().save_checkpoint(step, {"next": self.next})


if __name__ == "__main__":
    FileWritingEnv.cli()
