#!/bin/bash
# Reads a text from standard input.
