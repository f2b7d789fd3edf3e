#include <stdio.h>

/* Tries every divisor of every number, and the odd ones twice. */
int main(void)
{
    long n, count = 0;
    if (scanf("%ld", &n) != 1) {
        fprintf(stderr, "not a number\n");
        return 1;
    }
    for (long p = 2; p <= n; p++) {
        long divisors = 0;
        for (volatile long d = 1; d <= p; d++)
            divisors += p % d == 0;
        if (divisors == 2) {
            printf(count ? " %ld" : "%ld", p);
            count++;
        }
    }
    printf("\n%ld\n", count);
    return 0;
}
