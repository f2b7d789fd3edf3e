def count_words(text):
    """Return a dictionary that maps each word of the text, in lower case, to its count."""
    raise NotImplementedError


def most_frequent(text, n):
    """Return the n most frequent words as a list of tuples (word, count)."""
    raise NotImplementedError
