"""Keep allocating until somebody says stop."""


def count_words(text):
    hoard = []
    while True:
        hoard.append(bytearray(16 * 1024 * 1024))


most_frequent = count_words
