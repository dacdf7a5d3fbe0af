"""TRL's GRPOTrainer, fed by the trajectory API: batches are leased, and acknowledged when the weights of their step are saved.

Prints one JSON line a step: mean reward, and the widest difference between the log-probabilities that came with the batch and
the ones that the trainer works out itself.
Arguments: API, inference server, checkpoint to start from, folder for weights, group size, groups per step, steps.
"""

import json
import shutil
import sys
from pathlib import Path

import requests
import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

api, server, start, out = sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4])
group_size, groups, steps = (int(text) for text in sys.argv[5:8])
run = f"{api}/v2/runs/default"


def post(url, body, timeout=90):
    answer = requests.post(url, json=body, timeout=timeout)
    answer.raise_for_status()
    return answer


def lease():
    """The next batch, however long it takes."""
    while True:
        answer = post(f"{run}/batches/lease", {"trainer": "trl", "max_wait_ms": 60_000, "lease_ms": 1_800_000})
        if answer.status_code != 204:
            return answer.json()


def rollouts(prompts, trainer):
    """TRL's rollout_func: the batch takes the place of what its prompts would have given. One sequence a rollout."""
    trainer.batch = lease()
    rows = {"prompt_ids": [], "completion_ids": [], "logprobs": [], "env_mask": [], "reward": []}
    for group in trainer.batch["groups"]:
        for tokens, masks, score, logprobs in zip(
            group["tokens"], group["masks"], group["scores"], group["inference_logprobs"], strict=True
        ):
            trained = [mask != -100 for mask in masks]
            first = trained.index(True)
            rows["prompt_ids"].append(tokens[:first])
            rows["completion_ids"].append(tokens[first:])
            rows["env_mask"].append([int(is_trained) for is_trained in trained[first:]])
            rows["logprobs"].append([value if kept else 0.0 for value, kept in zip(logprobs[first:], trained[first:])])
            rows["reward"].append(score)
    assert len(rows["reward"]) == len(prompts), "batch_size of the run must be TRL's batch"
    return rows


class FedTrainer(GRPOTrainer):
    batch = None

    def _generate_and_score_completions(self, inputs):
        output = super()._generate_and_score_completions(inputs)
        # The policy that sampled may be a step older: the ratio is taken against its own log-probabilities.
        output["old_per_token_logps"] = output["sampling_per_token_logps"]
        return output

    def _compute_loss(self, model, inputs):
        with torch.no_grad():
            ids = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1)
            attention = torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], dim=1)
            length = inputs["completion_ids"].size(1)
            ours, _, _ = self._get_per_token_logps_and_entropies(model, ids, attention, length)
            mask = (inputs["completion_mask"] * inputs["tool_mask"]).bool()
            self.widest = (ours - inputs["sampling_per_token_logps"]).abs()[mask].max().item()
        return super()._compute_loss(model, inputs)


class Hand(TrainerCallback):
    """Saves the weights of a step, hands them to the inference server, and only then lets the batch go."""

    def on_step_end(self, args, state, control, model, **_):
        folder = out / f"step-{state.global_step}"
        model.save_pretrained(folder)
        for name in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(Path(start) / name, folder / name)
        post(f"{server}/load", {"path": str(folder.resolve())})
        scores = [score for group in trainer.batch["groups"] for score in group["scores"]]
        post(f"{run}/batches/{trainer.batch['batch_id']}/ack", None)
        row = {"step": state.global_step, "mean_reward": sum(scores) / len(scores), "widest": trainer.widest}
        print(json.dumps(row), flush=True)


batch_size = group_size * groups
post(
    run,
    {
        "wandb_group": "trl",
        "wandb_project": "trl",
        "batch_size": batch_size,
        "max_token_len": 2048,
        "checkpoint_dir": str(out),
        "save_checkpoint_interval": 1,
        "starting_step": 0,
        "num_steps": steps,
    },
)
trainer = FedTrainer(
    model=AutoModelForCausalLM.from_pretrained(start, dtype=torch.float32),
    processing_class=AutoTokenizer.from_pretrained(start),
    args=GRPOConfig(
        output_dir=str(out / "trl"),
        per_device_train_batch_size=batch_size,
        num_generations=group_size,
        max_steps=steps,
        learning_rate=7e-4,
        beta=0.0,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        bf16=False,
        disable_tqdm=True,
    ),
    # The prompts are the environment's; these only say how many batches there are.
    train_dataset=Dataset.from_dict({"prompt": ["-"] * batch_size}),
    reward_funcs=lambda completions, reward, **_: reward,
    rollout_func=rollouts,
    callbacks=[Hand()],
)
trainer.train()
