"""Ids of the layout, and numbers written as location tokens."""

import numpy as np

from tests.training_parity.compare import Check, Errors, Values, different, distance
from uio2_agent import labels
from uio2_agent.text.vocabulary import Vocabulary, bin_to_value, location_text, value_to_bin


def check_layout(case: Values) -> Errors:
    """Compare the summary of the official vocabulary, or the id of one of its pieces."""
    if "piece" not in case:
        vocabulary = Vocabulary(case["base_vocab"])
        found = (vocabulary.size, vocabulary.pad, vocabulary.pad, vocabulary.eos, vocabulary.unk)
        expected = [case[name] for name in ("total", "pad", "bos", "eos", "unk")]
        return {"ids": different(expected, found)}
    vocabulary = Vocabulary(32_000)
    pieces = vocabulary.special_pieces()
    return {case["piece"]: different(case["id"], vocabulary.pieces + pieces.index(case["piece"]))}


def check_locations(case: Values) -> Errors:
    """Compare tokens and ids of values, and the values of ids, by the vocabulary and by the labels."""
    vocabulary, values = Vocabulary(32_000), np.array(case["values"], np.float32)
    bins = value_to_bin(values)
    ids = labels.values_to_ids(values, vocabulary)
    written = labels.write_values(values).split()
    read = [labels.ids_to_values(row, vocabulary, len(row)) for row in ids]
    return {
        "tokens": different(case["tokens"], np.vectorize(location_text)(bins)),
        "tokens of labels": different(np.ravel(case["tokens"]), written),
        "ids": different(case["ids"], ids),
        "values": distance(case["ids_to_values"], bin_to_value(bins)),
        "values of labels": distance(np.ravel(case["ids_to_values"]), np.ravel(read)),
    }


CHECKS = {"vocab_layout": Check(check_layout), "location_tokens": Check(check_locations, 1e-6)}
