# Sourced in front of the reader's commands, by a bash that was started with -E -T -e -u -o pipefail.
# Writes to the file descriptor $__report_fd what the first command that fails was: its line, its
# text and the statuses of its pipe, each ended by a zero byte.
#
# Some failures are none: `head` and `grep -q` end before who writes to them, who then dies of
# SIGPIPE (141), or does not, as it happens. Bash would end the cell for it or not, by chance.

# Arguments: line, text, then the status of each command of the pipe.
__report_failure() {
  # All that this leaves behind begins with __, so that it meets no name of the reader's.
  local __line=$1 __command=$2
  shift 2
  local __statuses="$*"
  local __pipe_ended_early='^((0|141) )+$'
  # Of several commands, the last one went well, and each other one did too or died of SIGPIPE.
  if [[ $# -gt 1 && ${!#} -eq 0 && "$__statuses " =~ $__pipe_ended_early ]] ||
    # Or such a pipe stood in parentheses, or in an assignment: then bash has one status for it.
    [[ $__statuses == 141 && ($__command == '('*'|'* ||
      $__command == *=*'|'* && ${__command%%=*} != *' '*) ]]; then
    # Bash looks whether -e is set when this returns. It is set again before the next command;
    # so this assignment has to be the last command in here.
    if [[ $- == *e* ]]; then
      set +e
      __go_on=1
    fi
  else
    printf '%s\0' "$__line" "$__command" "$__statuses" >&"$__report_fd"
  fi
}

# -E hands this on to functions and subshells. PIPESTATUS is that of the failure only here, in the
# first command; and LINENO is the reader's line only outside the function.
trap '__report_failure "$LINENO" "$BASH_COMMAND" "${PIPESTATUS[@]}"' ERR

# Runs before each command. -T hands it on as well.
trap '[[ -z ${__go_on-} ]] || { unset __go_on; set -e; }' DEBUG
