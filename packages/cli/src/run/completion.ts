import { createClient } from "@aivault/client";
import { createOperatorClient } from "@aivault/client/operator";
import { type Candidate, complete, type Names } from "../completion.ts";
import type { Context } from "../context.ts";
import { type Environment, type Output, printable } from "../output.ts";

/** Print a shell's completion script. */
export async function runCompletion({ args, out }: Context): Promise<void> {
  const script = SCRIPTS[args.positionals["shell"] as keyof typeof SCRIPTS];
  out.answer(script);
}

/** Answer a completion script: a candidate and its summary per line, or `:file`. */
export async function answerCompletion(
  words: readonly string[],
  out: Output,
  env: Environment,
): Promise<number> {
  const candidates = await complete(words, namesFrom(env));
  if (candidates === "file") out.answer(":file");
  else for (const { word, summary } of candidates) out.answer(`${word}\t${printable(summary)}`);
  return 0;
}

const PATIENCE_MS = 1_000;

// A shell waits for this at every tab: what cannot be had at once is left out.
function namesFrom(env: Environment): Names {
  return async (kind) => {
    const patience = new Promise<readonly Candidate[]>((resolve) => {
      setTimeout(resolve, PATIENCE_MS, []).unref();
    });
    return await Promise.race([fetchNames(kind, env).catch(() => []), patience]);
  };
}

async function fetchNames(
  kind: Parameters<Names>[0],
  env: Environment,
): Promise<readonly Candidate[]> {
  const client = kind === "capability" ? createClient({ env }) : createOperatorClient({ env });
  try {
    if (kind === "capability") {
      return (await client.capabilities()).map(({ id, description }) => ({
        word: id,
        summary: description,
      }));
    }
    const operator = client as ReturnType<typeof createOperatorClient>;
    return kind === "credential"
      ? (await operator.credentials()).map(({ id, provider }) => ({ word: id, summary: provider }))
      : (await operator.secrets()).map(({ name, pinnedProvider }) => ({
          word: name,
          summary: pinnedProvider ?? "",
        }));
  } finally {
    client.close();
  }
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
