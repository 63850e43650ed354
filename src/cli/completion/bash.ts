import type { Vocabulary } from './vocabulary.js'

/**
 * A completion script for bash. It looks at the line itself, for bash takes `a=b` apart into three
 * words; of what it answers, bash then wants the part behind the last `=`.
 */
export function bash(vocabulary: Vocabulary): string {
  const verbs = vocabulary.filter(({ verbs }) => verbs.length > 0)
  const inner = verbs.map(
    ({ path, verbs }) =>
      `    ${quoted(path.join(' '))}) words=${list(verbs.map((v) => v.word))} ;;`,
  )
  const names = vocabulary
    .filter(({ names }) => names.length > 0)
    .map(({ path, names }) => `    ${quoted(path.join(' '))}) words=${list(names)} ;;`)
  const settings = byValue(vocabulary, ({ settings }) => settings).map(
    ([paths, words]) => `    ${paths.map(quoted).join('|')}) words=${list(words)} ;;`,
  )
  const flags = vocabulary.map(
    ({ path, flags }) =>
      `    ${quoted(path.join(' '))}) words=${list(flags.map(({ long }) => long))} ;;`,
  )
  const values = vocabulary.flatMap(({ path, flags }) =>
    flags
      .filter(({ takesValue }) => takesValue)
      .map(
        ({ long, values }) =>
          `    ${quoted(`${path.join(' ')} ${long}`.trim())}) words=${list(values)} ;;`,
      ),
  )
  return `# Completion for residual in bash, made by \`residual completion bash\`.
_residual() {
  local line="\${COMP_LINE:0:COMP_POINT}" cur verb='' words='' word path
  local -a typed
  read -ra typed <<<"$line"
  cur=''
  if [[ $line != *[[:space:]] ]]; then
    cur="\${typed[-1]}"
    unset 'typed[-1]'
  fi
  for word in "\${typed[@]:1}"; do
    [[ $word == -* ]] && break
    path="\${verb:+$verb }$word"
    case "$path" in
    ${vocabulary
      .filter(({ path }) => path.length > 0)
      .map(({ path }) => quoted(path.join(' ')))
      .join('|')}) verb="$path" ;;
    *) break ;;
    esac
  done
  COMPREPLY=()
  case "\${verb:+$verb }\${typed[-1]:-}" in
${values.join('\n')}
    *) words='?' ;;
  esac
  if [[ $words != '?' ]]; then
    # An option's value; where there are no words for it, bash completes a file.
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
    return
  fi
  words=''
  if [[ $cur == -* ]]; then
    case "$verb" in
${flags.join('\n')}
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
    return
  fi
  case "$verb" in
${inner.join('\n')}
  esac
  if [[ -n $words ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
    return
  fi
  case "$verb" in
${names.join('\n')}
  esac
  if [[ -z $cur ]]; then
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -W "$words"; compgen -f)
    return
  fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
  words=''
  case "$verb" in
${settings.join('\n')}
  esac
  mapfile -t -O "\${#COMPREPLY[@]}" COMPREPLY < <(compgen -W "$words" -- "$cur")
  # Words are only offered where they match; for the rest bash completes files.
  if [[ $cur == *=* && $COMP_WORDBREAKS == *=* ]]; then
    COMPREPLY=("\${COMPREPLY[@]#"\${cur%"\${cur##*=}"}"}")
  fi
  [[ \${#COMPREPLY[@]} == 1 && \${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
  return 0
}
complete -o default -o bashdefault -F _residual residual
`
}

/** Verbs with the same words once, for the settings are many. */
function byValue(
  vocabulary: Vocabulary,
  words: (verb: Vocabulary[number]) => readonly string[],
): [paths: string[], words: readonly string[]][] {
  const groups = new Map<string, [string[], readonly string[]]>()
  for (const verb of vocabulary) {
    const these = words(verb)
    if (these.length === 0) continue
    const group = groups.get(these.join(' ')) ?? [[], these]
    group[0].push(verb.path.join(' '))
    groups.set(these.join(' '), group)
  }
  return [...groups.values()]
}

function list(words: readonly string[]): string {
  return quoted(words.join(' '))
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
