#!/bin/bash
text=$(cat)
echo "lines $(echo "$text" | wc -l)"
echo "words $(echo "$text" | wc -w)"
echo "most $(echo "$text" | tr 'A-Z' 'a-z' | tr -s ' ' '\n' | sort | uniq -c | sort -k1,1nr -k2,2 | awk 'NR == 1 { print $2 }')"
