#include <stdio.h>

int main(void)
{
    long n = 20
    printf("%ld\n", n);
    return 0;
}
