#!/bin/bash
# Waits for ever for a level that never comes.
if [ $# -ne 1 ]; then
    echo "usage: logfilter.sh LEVEL" >&2
    exit 2
fi
log=$(cat)
while ! printf '%s\n' "$log" | cut -d' ' -f3 | grep -qx "$1"; do
    [ "$1" = WARN ] && exit 1
done
printf '%s\n' "$log" | awk -v level="$1" '$3 == level { sub(/^[^ ]+ /, ""); sub(/ [^ ]+/, ""); print }'
