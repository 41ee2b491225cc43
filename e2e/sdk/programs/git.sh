# git as it comes: clone, fetch, and a push too large for one buffer.

# #region configure
export GIT_CONFIG_COUNT=1
export GIT_CONFIG_KEY_0="url.${AIVAULT_URL%//*}//x-access-token:$AIVAULT_TOKEN@${AIVAULT_URL##*//}/v/github.git/.insteadOf"
export GIT_CONFIG_VALUE_0="https://github.com/"
# #endregion

rm -rf new && git clone --quiet https://github.com/octo/new.git
cd new
git log --format=%s
head -c 3000000 /dev/urandom > large.bin
git add large.bin
git -c user.name=Ada -c user.email=ada@example.test commit --quiet --message Second
git push --quiet
git fetch --quiet
git log origin/main --format=%s
