#include <stdio.h>

/* Counts odd numbers instead of primes. */
int main(void)
{
    long n, count = 0;
    if (scanf("%ld", &n) != 1)
        return 0;
    for (long p = 3; p < n; p += 2)
        count++;
    printf("%ld\n", count);
    return 0;
}
