# curl as it comes: a header, a stream, an upload that waits for 100, offers of HTTP/2.

# #region configure
api="$AIVAULT_URL/v/openai/v1"
# By its input, since a machine's other users can read what stands on a command line.
curl() {
  printf 'header = "Authorization: Bearer %s"\n' "$AIVAULT_TOKEN" |
    command curl --config - --silent --show-error --fail "$@"
}
# #endregion

question='{"model":"gpt","messages":[]}'
curl "$api/models" && echo
curl --json "$question" "$api/chat/completions" | grep -o 'Hello over there'
curl --http2 --json "$question" "$api/chat/completions" | grep -o 'Hello over there'
curl --no-buffer --json '{"model":"gpt","stream":true}' "$api/chat/completions" | grep -c '^data: '
head -c 2000000 /dev/zero > upload.bin
curl -H 'Expect: 100-continue' -F purpose=batch -F file=@upload.bin "$api/files" | grep -o '"bytes":[0-9]*'
curl -H 'Transfer-Encoding: chunked' -F purpose=batch -F file=@upload.bin "$api/files" | grep -o '"bytes":[0-9]*'
curl --http2-prior-knowledge "$api/models" && echo
