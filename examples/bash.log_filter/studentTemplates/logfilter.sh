#!/bin/bash
# usage: logfilter.sh LEVEL
