# The folder of a deployment on a device, as a session of any POSIX shell: a line with a request on standard input, lines
# with the answer on standard output. It ends with its input, and then a version that was not kept is gone.
#
#   .edgebnn            tells that edgebnn made the folder
#   versions/N/         whole versions: run.py or network, the model, its schedule, manifest.json, runtime/; in .files what is theirs
#   current             a link to the version in use, replaced by a rename
#   .new-PID            a version in the making by that process; .old-PID: one that is being deleted
#
# $d is the store. Names in requests are plain words; the folder, which is the user's, is an argument.
set -u
unset CDPATH
LC_ALL=C
export LC_ALL
new=
unpacked=

fail() {
  echo "edgebnn: $*" >&2
  exit 3
}

enter() { # FOLDER: relative to the home folder
  cd || exit 4
  [ ! -e "$1" ] || [ -d "$1" ] || fail "$1: is a file on the device; name a folder with --to"
  [ -d "$1" ] || return 1
  cd "$1" || exit 4
}

describe() {
  echo "folder $(pwd)"
  echo "current $(readlink current)"
  for name in run.py model.tflite network; do
    [ ! -f "current/$name" ] || echo "$name $(sha256sum < "current/$name")"
  done
  for path in versions/*/manifest.json; do
    [ -f "$path" ] || continue
    number=${path#versions/}
    number=${number%/manifest.json}
    [ ! -f "versions/$number/.withdrawn" ] || echo "withdrawn $number"
    echo "version $number $(wc -c < "$path")"
    cat "$path"
  done
  echo end
}

look() { # FOLDER: it, or those that lie in it
  if ! enter "$1"; then
    :
  elif [ -f .edgebnn ]; then
    describe
  else
    for inner in */.edgebnn; do
      [ ! -f "$inner" ] || (cd "${inner%/.edgebnn}" && describe)
    done
  fi
  echo done
}

visit() { # FOLDER: which must be there
  enter "$1" || fail "$1: nothing is deployed there; --list tells what is"
  [ -f .edgebnn ] || fail "$(pwd): is no folder of edgebnn deploy's; --list tells which are"
  describe
  serve
}

make() { # FOLDER: made if it is not there
  outside "$1"
  if ! enter "$1"; then
    mkdir -p "$1" && cd "$1" || exit 4
  fi
  if [ ! -f .edgebnn ]; then
    for inner in */.edgebnn; do
      [ ! -f "$inner" ] || fail "$(pwd): holds models that are deployed, each in a folder of its own; name one with --to"
    done
    [ -z "$(ls -A)" ] || fail "$(pwd): holds files that edgebnn did not make; name another folder with --to"
    echo "made by edgebnn deploy" > .edgebnn || exit 4
  fi
  trap end EXIT
  trap "exit 5" HUP INT TERM PIPE
  mkdir -p versions || exit 4
  sweep
  new=.new-$$
  mkdir "$new" || exit 4
  describe
  echo "making $new"
  serve
}

outside() { # FOLDER: that lies in no folder of a deployment
  cd || exit 4
  above=$1
  while [ "$above" != "${above%/*}" ]; do
    above=${above%/*}
    [ ! -f "$above/.edgebnn" ] || fail "$above: holds the versions of a model; name a folder beside it with --to"
  done
}

sweep() { # what processes left that were killed
  for left in .new-* .old-*; do
    case ${left#.???-} in *[!0-9]*) continue ;; esac
    kill -0 "${left#.???-}" 2> /dev/null || rm -rf "$left"
  done
}

end() {
  trap - EXIT
  [ -z "$new" ] || rm -rf "$new" ".current-$$"
  if rmdir versions 2> /dev/null; then # nothing was ever kept here
    rm -f .edgebnn
    rmdir "$(pwd)" 2> /dev/null
  fi
}

serve() {
  while read -r do one two; do
    case $do in
      link) ln "$d/files/$one" "$new/$two" 2> /dev/null || cp "$d/files/$one" "$new/$two" || exit 4 ;;
      run) ln "$d/files/$one" "$new/$two" 2> /dev/null || cp "$d/files/$one" "$new/$two" || exit 4
        chmod 755 "$new/$two" ;;
      copy) cp "$d/files/$one" "$new/$two" || exit 4 ;;
      tree) mkdir -p "$new/runtime" && twin "$d/trees/$one" "$new/runtime/$two" && unpacked=yes ;;
      share) mkdir -p "$new/runtime" && twin "versions/$one/runtime/$two" "$new/runtime/$two" ;;
      fresh) cp "$d/files/$one" "versions/$two/run.py.new" || exit 4 ;;
      edited) cp -p current/run.py "$new/run.py" || exit 4 ;;
      keep) keep "$one" ;;
      point) point "$one" ;;
      digest) sha256sum < "versions/$one/$two" || exit 4 ;;
      withdraw) : > "versions/$one/.withdrawn" || exit 4 ;;
      remove) remove "$one" "$two" ;;
      *) fail "cannot $do" ;;
    esac
    echo done
  done
}

twin() { # FROM TO: by hard links, or where these cannot be, copied
  cp -al "$1" "$2" 2> /dev/null && return
  rm -rf "$2"
  cp -a "$1" "$2" || exit 4
}

keep() { # MANIFEST: what is in the making becomes the next version, which is not yet in use
  cp "$d/files/$1" "$new/manifest.json" || exit 4
  chmod 644 "$new"/*.* && chmod 755 "$new"/run.py 2> /dev/null
  (cd "$new" && find . ! -type d ! -name "*.pyc" > .files && printf "%s\n" ./.files ./.withdrawn ./run.py.new >> .files) || exit 4
  number=1
  for path in versions/*; do
    case ${path#versions/} in *[!0-9]*) continue ;; esac
    [ "${path#versions/}" -lt "$number" ] || number=$((${path#versions/} + 1))
  done
  if [ -n "$unpacked" ]; then sync; else sync "$new"/*.*; fi
  mv -T "$new" "versions/$number" || exit 4
  echo "number $number"
}

point() { # VERSION
  ln -s "versions/$1" ".current-$$" || exit 4
  mv -fT ".current-$$" current || exit 4
}

remove() { # VERSION, and the SHA-256 of its run.py as it was made: nothing is deleted where there is more than that
  theirs=$(cd "versions/$1" && find . ! -type d ! -name "*.pyc" | grep -vxFf .files | head -n 1)
  if [ -z "$theirs" ] && [ -f "versions/$1/run.py" ]; then
    now=$(sha256sum < "versions/$1/run.py")
    [ "${now%% *}" = "$2" ] || [ "$now" = "$(sha256sum < current/run.py)" ] || theirs=./run.py
  fi
  if [ -n "$theirs" ]; then
    echo "left ${theirs#./}"
  else
    mv "versions/$1" ".old-$$" && rm -rf ".old-$$" || exit 4
  fi
}
