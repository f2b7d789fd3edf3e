#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    long n;
    if (scanf("%ld", &n) != 1) {
        fprintf(stderr, "not a number\n");
        return 1;
    }
    if (n < 1)
        n = 1;
    char *crossed = calloc((size_t)n + 1, 1);
    if (crossed == NULL) {
        fprintf(stderr, "not enough memory\n");
        return 1;
    }
    long count = 0;
    for (long p = 2; p <= n; p++) {
        if (crossed[p])
            continue;
        printf(count ? " %ld" : "%ld", p);
        count++;
        for (long multiple = p * p; multiple <= n; multiple += p)
            crossed[multiple] = 1;
    }
    printf("\n%ld\n", count);
    free(crossed);
    return 0;
}
