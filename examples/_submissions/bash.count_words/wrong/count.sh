#!/bin/bash
# The second count always finds nothing: the first has read all of the input.
wc -l
wc -w
