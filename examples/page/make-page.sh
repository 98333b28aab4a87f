#!/bin/sh
# make-page.sh TITLE [POST]: fills template.html with a post, or with links to all posts.
set -eu
title=$1
if [ $# -gt 1 ]; then
    heading=$(head -n 1 "$2")
    body=$(tail -n +2 "$2" | sed '/^$/d; s|.*|<p>&</p>|')
else
    heading=$title
    body=$(for post in posts/*.txt; do
        name=$(basename "$post" .txt)
        echo "<p><a href=\"$name.html\">$(head -n 1 "$post")</a></p>"
    done)
fi
while IFS= read -r line; do
    case $line in
    *@HEADING@*) echo "$line" | sed "s|@HEADING@|$heading|" ;;
    *@BODY@*) echo "$body" ;;
    *) echo "$line" ;;
    esac
done <template.html
