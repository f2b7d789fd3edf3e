#!/bin/bash
export LC_ALL=C
text=$(cat; echo x)
text=${text%x}
echo "lines $(printf '%s' "$text" | wc -l)"
echo "words $(printf '%s' "$text" | wc -w)"
most=$(printf '%s' "$text" | tr '[:upper:]' '[:lower:]' | tr -s '[:space:]' '\n' | grep . |
    sort | uniq -c | sort -k1,1nr -k2,2 | awk 'NR == 1 { print $2 }')
if [ -n "$most" ]; then
    echo "most $most"
fi
