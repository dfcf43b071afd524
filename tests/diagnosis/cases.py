"""An example of each symptom: made-up probes of a run for which it holds."""

from steadygan.diagnosis.evidence import Evidence
from steadygan.methods import find
from steadygan.recipes.overrides import override_all

#: Probes of a healthy run, as those of benchmarks/diagnosis are.
HEALTHY = {
    "way": 0.1, "ema_way": 0.08, "diversity": 0.95, "ema_diversity": 0.95, "duplicates": 0.0,
    "copies": 0.0, "rank": 0.8, "auc": 0.85, "auc_heldout": 0.85, "auc_memory": 0.5,
    "score_min": -3.0, "score_max": 4.0, "score_std": 1.5, "d_gain": 0.3, "g_gain": 0.5,
    "g_travel": 0.8, "d_travel": 0.8, "g_move": 0.003, "d_move": 0.003, "g_norm": 1.2,
    "d_norm": 1.2, "mode_gap": 0.05, "saturated": 0.0, "g_dead": 0.0, "d_dead": 0.0, "slope": 1.0,
    "real_min": -1.0, "real_max": 1.0, "batch_min": -1.0, "batch_max": 1.0, "fake_min": -1.0,
    "fake_max": 1.0, "batch_diversity": 1.0, "batch_shift": 1.0, "nyquist": 0.0, "fine": 0.0,
    "classes": 0.95, "class_spread": 0.95, "border_real": 0.0, "border_fake": 0.02,
}  # fmt: skip
START = {**HEALTHY, "way": 1.2, "ema_way": 1.25, "diversity": 0.25, "saturated": -0.8,
         "real_duplicates": 0.0, "real_blank": 0.0, "real_diversity": 1.0}  # fmt: skip
BAD = {"way": 0.9, "ema_way": 0.9}


def evidence(
    late=(),
    start=(),
    method="dcgan",
    settings=(),
    drop=(),
    steps=700,
    reason="",
    probes=6,
    facts=(),
):
    """A run of `method` with `settings`, whose probes are healthy but for `late` and `start`."""
    recipe = override_all(find(method).recipe, dict(settings), "test").without(*drop)
    first = {k: v for k, v in {**START, **dict(start)}.items() if not k.startswith(("g_", "d_"))}
    lines = [{"step": 0, "images": 0, "probe": first}]
    for n in range(1, probes + 1):
        now = {k: (v[(n - 1) % 6] if isinstance(v, list) else v) for k, v in dict(late).items()}
        lines.append({"step": n * steps // probes, "images": n, "probe": {**HEALTHY, **now}})
    status = {"state": "failed", "reason": reason, "step": 7} if reason else {"state": "finished"}
    recorded = {"method": method, "recipe": recipe.model_dump(mode="json"), "status": status}
    return Evidence({**recorded, **dict(facts)}, lines)


#: What makes each symptom hold.
CASES = {
    "non-finite": {"reason": "step 7: NaN or Inf in weight a of network b"},
    "g-not-updated": {"late": {**BAD, "g_travel": 0.0}},
    "d-not-updated": {"late": {**BAD, "d_travel": 0.0}},
    "g-trained-backwards": {"late": {**BAD, "g_gain": -0.2, "auc": 1.0}},
    "d-trained-backwards": {"late": {**BAD, "d_gain": -0.2, "auc": 0.1}},
    "scores-in-unit-range": {"late": {**BAD, "score_min": 0.01, "score_max": 0.99}},
    "gradients-accumulate": {"late": {**BAD, "g_uncleared": 9.0}},
    "latent-ignored": {"late": {**BAD, "diversity": 0.0}, "start": {"diversity": 0.0}},
    "range-mismatch": {"late": {**BAD, "batch_min": 0.0}},
    "blank-images": {"late": BAD, "start": {"real_blank": 0.5}},
    "few-images": {"late": BAD, "start": {"real_duplicates": 0.9}},
    "one-class": {"late": {**BAD, "batch_diversity": 0.4}, "start": {"real_diversity": 0.4}},
    "unshuffled": {"late": {**BAD, "batch_diversity": 0.4}},
    "wrong-tensors": {"late": BAD, "facts": {"shared_optimizer": True}},
    "stale-average": {"late": {"ema_way": 0.9}},
    "train-eval-gap": {"late": {**BAD, "mode_gap": 0.9}},
    "noise-ignored": {"late": {**BAD, "code_effect": 20.0}, "method": "acgan"},
    "classes-missing": {"late": {**BAD, "classes": 0.2}},
    "within-class-collapse": {"late": {**BAD, "class_spread": 0.1}},
    "encoder-failed": {"late": {"encoder_travel": 0.0}, "method": "bigan"},
    "pretraining-failed": {"late": {**BAD, "reconstruction": 0.95}, "method": "decoding"},
    "constant-border": {"late": {**BAD, "auc": 1.0, "border_fake": 0.4}},
    "checkerboard": {"late": {**BAD, "nyquist": 1.6, "fine": 0.3}},
    "noisy-samples": {"late": {**BAD, "nyquist": 0.8, "fine": 0.5}},
    "oscillation": {"late": {"way": [0.9, 0.4, 0.9, 0.4, 0.9, 0.4], "ema_way": 0.6},
                    "probes": 12},
    "codes-ignored": {"late": {"code_effect": 0.02}, "method": "infogan"},
    "g-rate-too-low": {"late": {**BAD, "g_travel": 0.003}, "settings": {"g_optimizer.lr": "1e-7"}},
    "d-rate-too-low": {"late": {**BAD, "d_travel": 0.003}, "settings": {"d_optimizer.lr": "1e-7"}},
    "g-rate-too-high": {"late": BAD, "settings": {"g_optimizer.lr": "0.05"}},
    "d-rate-too-high": {"late": BAD, "settings": {"d_optimizer.lr": "0.05"}},
    "steps-too-large": {"late": {**BAD, "g_move": 0.4}, "settings": {"lr": "0.05"}},
    "hardly-moved": {"late": {**BAD, "g_travel": 0.003, "d_travel": 0.003}},
    "beta1-too-high": {"late": BAD, "settings": {"betas": "0.99,0.999"}},
    "d-steps-too-many": {"late": BAD, "settings": {"d_steps": "20"}},
    "g-steps-too-many": {"late": BAD, "settings": {"g_steps": "20"}},
    "clip-too-small": {"late": {**BAD, "slope": 1e-5}, "method": "wgan"},
    "clip-too-large": {"late": BAD, "method": "wgan", "settings": {"weight-clip.bound": "1.0"}},
    "critic-unbounded": {"late": BAD, "method": "wgan-gp", "drop": ("gradient-penalty",)},
    "spectral-norm-missing": {"late": BAD, "method": "sngan", "drop": ("spectral-norm",)},
    "penalty-too-strong": {"late": BAD, "method": "wgan-gp",
                               "settings": {"gradient-penalty.weight": "10000"}},
    "noise-too-strong": {"late": BAD, "settings": {"instance-noise": "true",
                                                 "instance-noise.sigma": "5"}},
    "batch-too-small": {"late": BAD, "settings": {"batch": "2"}},
    "mixed-batches": {"late": {**BAD, "auc": 0.0}, "settings": {"joint_batches": "true"}},
    "saturated-output": {"late": {**BAD, "saturated": 0.7}},
    "start-too-large": {"late": BAD, "start": {"saturated": 0.6}},
    "start-too-small": {"late": BAD, "start": {"diversity": 0.001}},
    "d-memorises": {"late": {**BAD, "auc_memory": 0.95}},
    "copies": {"late": {"copies": 0.8}},
    "d-overpowers": {"late": {**BAD, "auc": 1.0}},
    "d-too-weak": {"late": {**BAD, "auc": 0.5}},
    "total-collapse": {"late": {**BAD, "diversity": 0.01}},
    "partial-collapse": {"late": {**BAD, "duplicates": 0.8, "rank": 0.1}},
    "dead-units": {"late": {**BAD, "g_dead": 0.8}},
    "relapse": {"late": {key: [0.5, 0.2, 0.1, 0.2, 0.6, 0.8] for key in ("way", "ema_way")}},
    "still-improving": {"late": {"ema_way": [1.0, 0.9, 0.8, 0.7, 0.5, 0.4]}},
    "plateau": {"late": BAD},
    "capacity": {"late": BAD, "settings": {"width": "1"}},
    "bad-samples": {"late": BAD},
}  # fmt: skip
