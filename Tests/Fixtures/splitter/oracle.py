"""Compares statements with what PostgreSQL's own parser (libpg_query, by pglast) makes of the same text.

Reads a JSON array of {"text": ..., "statements": [...]} and prints one JSON object: how many texts the parser accepted, how
many statements these hold, and what differs. What the parser refuses is left out.
"""
import json
import sys

from pglast import parse_sql
from pglast.parser import ParseError, split


def is_empty(text):
    """Nothing but white space and comments."""
    try:
        return not parse_sql(text)
    except ParseError:
        return False


def difference(text, ours):
    theirs = split(text, with_parser=True)
    if len(ours) != len(theirs):
        return f"{len(ours)} statements, the parser has {len(theirs)}: {ours!r}, {list(theirs)!r}"
    for own, other in zip(ours, theirs):
        place = other.find(own)
        if place < 0 or not is_empty(other[:place]) or not is_empty(other[place + len(own):]):
            return f"{own!r}, the parser has {other!r}"
    return None


accepted = statements = 0
refused, differences = [], []
for example in json.load(sys.stdin):
    try:
        count = len(parse_sql(example["text"]))
    except ParseError as error:
        refused.append(f"{example['text']!r}: {error.args[0]}")
        continue
    accepted += 1
    statements += count
    found = difference(example["text"], example["statements"])
    if found:
        differences.append(f"{example['text']!r}: {found}")
json.dump({"accepted": accepted, "statements": statements, "refused": refused, "differences": differences}, sys.stdout)
