"""Takes batches as the example trainer of Atropos does, with its own functions: register, fetch, pad.

Writes one JSON line for each batch, with the tensors' contents.
Arguments: URL, sequences per batch, batches, file, folder for checkpoints, longest sequence.
"""

import json
import sys

from example_trainer.api import check_atropos_api, register_trainer
from example_trainer.config import TrainingConfig
from example_trainer.data import get_data

url, out, save_path = sys.argv[1], sys.argv[4], sys.argv[5]
batch_size, batches, seq_len = (int(sys.argv[place]) for place in (2, 3, 6))
config = TrainingConfig(
    model_name="tiny",
    batch_size=batch_size,
    gradient_accumulation_steps=1,
    seq_len=seq_len,
    training_steps=batches,
    atropos_url=url,
    wandb_group="group",
    wandb_project="project",
    save_path=save_path,
    checkpoint_interval=2,
)
assert check_atropos_api(url, timeout=30)
register_trainer(config)
taken = 0
with open(out, "w") as file:
    while taken < batches:
        fetched, _ = get_data(config.batch_size, config.seq_len, url)
        for tokens, labels, advantages, temperatures, logprobs in fetched:
            taken += 1
            row = {
                "tokens": [part.tolist() for part in tokens],
                "labels": [part.tolist() for part in labels],
                "advantages": [part.tolist() for part in advantages],
                "temperatures": [part.tolist() for part in temperatures],
                "inference_logprobs": None if logprobs is None else [part.tolist() for part in logprobs],
                "dtypes": [str(part[0].dtype) for part in (tokens, labels, advantages)],
            }
            file.write(json.dumps(row) + "\n")
            file.flush()
