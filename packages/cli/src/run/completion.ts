import type { Context } from "../context.ts";

/** Print a shell's completion script. */
export async function runCompletion({ args, out }: Context): Promise<void> {
  const script = SCRIPTS[args.positionals["shell"] as keyof typeof SCRIPTS];
  out.answer(script);
}

const SCRIPTS = {
  bash: `# aivault completion for bash: source <(aivault completion bash)
_aivault() {
  local line
  local -a words=()
  while IFS= read -r line; do words+=("\${line%%$'\\t'*}"); done \\
    < <(aivault __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  COMPREPLY=()
  if [ "\${words[0]-}" = ":file" ]; then
    compopt -o filenames 2>/dev/null
    while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "\${COMP_WORDS[COMP_CWORD]}")
  elif [ "\${#words[@]}" -gt 0 ]; then
    COMPREPLY=("\${words[@]}")
  fi
}
complete -F _aivault aivault`,
  zsh: `#compdef aivault
# aivault completion for zsh: source <(aivault completion zsh)
_aivault() {
  local line
  local -a candidates
  while IFS= read -r line; do
    if [[ $line == ":file" ]]; then _files; return; fi
    candidates+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done < <(aivault __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)
  _describe aivault candidates
}
compdef _aivault aivault`,
  fish: `# aivault completion for fish: aivault completion fish | source
function __aivault_complete
  set -l words (commandline -opc) (commandline -ct)
  set -l found (aivault __complete $words[2..-1] 2>/dev/null)
  if test "$found[1]" = ":file"
    __fish_complete_path (commandline -ct)
  else
    printf '%s\\n' $found
  end
end
complete -c aivault -f -a '(__aivault_complete)'`,
} as const;
