def count_words(text):
    counts = {}
    for word in text.lower().split():
        counts[word] += 1
    return counts


def most_frequent(text, n):
    return count_words(text)[:n]
