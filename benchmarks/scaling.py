"""What pre-training of a size takes on many cards: memory, communication, time (`pretrain.scaling`).

Usage: python -m benchmarks.scaling [large xl xxl] [--card H200] [--cards 8 64 512] [--utilisation 0.55]

Nothing is measured here. The card's numbers are from its data sheet, the utilisation is a wish until
`docs/gpu.md` has a measured one.
"""

import argparse

from pretrain.scaling import CARDS, GIB, Plan, estimate, numbers_of
from uio2_agent.config import UnifiedIO2Config

DAY = 86_400


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sizes", nargs="*", default=["large", "xl", "xxl"])
    parser.add_argument("--card", choices=sorted(CARDS), default="H100")
    parser.add_argument("--cards", type=int, nargs="+", default=[8, 64, 512])
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--steps", type=int, default=1_500_000)
    parser.add_argument("--utilisation", type=float, default=0.55)
    options = parser.parse_args()
    card = CARDS[options.card]
    plan = Plan(batch=options.batch, steps=options.steps, utilisation=options.utilisation)
    print(f"{card.name}: {card.flops / 1e12:.0f} TFLOP/s bfloat16, {card.memory / GIB:.0f} GiB (data sheet)")
    print(
        f"batch {plan.batch}, {plan.steps:,} steps, rows of {plan.encoder_row} and {plan.decoder_row} tokens,"
    )
    print(f"{plan.examples_per_row:g} examples a row, {plan.utilisation:.0%} of the peak\n")
    columns = ["size", "parameters", "cards", "portions", "shards GiB", "gathered GiB", "activations GiB"]
    columns += ["all GiB", "sent GB", "arithmetic s", "network s", "days"]
    print(f"| {' | '.join(columns)} |\n|{' --- |' * 2}{' ---: |' * 10}")
    for size in options.sizes:
        config = UnifiedIO2Config.preset(size)
        for cards in options.cards:
            found = estimate(config, card, cards, plan)
            held = [found.weights, found.gathered, found.activations, found.memory]
            cells = [
                size,
                f"{numbers_of(config).held / 1e9:.2f} B",
                str(cards),
                str(found.portions),
                *(f"{value / GIB:.1f}" for value in held),
                f"{found.communicated / 1e9:.1f}",
                f"{found.arithmetic_s:.3f}",
                f"{found.communication_s:.3f}",
                f"{found.step_s * plan.steps / DAY:,.0f}",
            ]
            fits = "" if found.memory < card.memory else " (does not fit)"
            print(f"| {' | '.join(cells)}{fits} |")


if __name__ == "__main__":
    main()
