import re


def count_words(text):
    """Return a dictionary that maps each word of the text, in lower case, to its count."""
    counts = {}
    for word in re.findall(r"[^\W_]+(?:'[^\W_]+)*|'+", text.lower()):
        counts[word] = counts.get(word, 0) + 1
    return counts


def most_frequent(text, n):
    """Return the n most frequent words as a list of tuples (word, count)."""
    if n < 0:
        raise ValueError("n must not be negative")
    return sorted(count_words(text).items(), key=lambda item: (-item[1], item[0]))[:n]
