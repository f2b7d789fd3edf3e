def count_words(text):
    """Split at blanks alone, so punctuation stays with its word."""
    counts = {}
    for word in text.lower().split():
        counts[word] = counts.get(word, 0) + 1
    return counts


def most_frequent(text, n):
    """Sort by count, but forget the alphabet and the negative number."""
    return sorted(count_words(text).items(), key=lambda item: -item[1])[:n]
