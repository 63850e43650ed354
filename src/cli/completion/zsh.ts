import type { Flag, Verb, Vocabulary } from './vocabulary.js'

/** A completion script for zsh, with descriptions. */
export function zsh(vocabulary: Vocabulary): string {
  return `#compdef residual
# Completion for residual in zsh, made by \`residual completion zsh\`.
_residual() {
  local verb='' word path cur="\${words[CURRENT]}" before="\${words[CURRENT-1]}"
  local -a verbs flags names settings values
  for word in "\${(@)words[2,CURRENT-1]}"; do
    [[ $word == -* ]] && break
    path="\${verb:+$verb }$word"
    case "$path" in
      (${vocabulary
        .filter(({ path }) => path.length > 0)
        .map(({ path }) => quoted(path.join(' ')))
        .join('|')}) verb="$path" ;;
      (*) break ;;
    esac
  done
  case "$verb" in
${vocabulary.map(words).join('\n')}
  esac
  case "\${verb:+$verb }$before" in
${vocabulary.flatMap((verb) => verb.flags.filter(takesValue).map((flag) => value(verb, flag))).join('\n')}
  esac
  if [[ $cur == -* ]]; then
    _describe -o option flags
    return
  fi
  if (( $#verbs )); then
    _describe command verbs
    return
  fi
  (( $#names )) && compadd -a names
  if [[ -n $cur ]]; then
    compadd -S '' -- "\${(@M)settings:#*=}"
    compadd -- "\${(@)settings:#*=}"
  fi
  _files
}
if [[ $funcstack[1] == _residual ]]; then
  _residual "$@"
else
  compdef _residual residual
fi
`
}

function words({ path, verbs, flags, names, settings }: Verb): string {
  const lines = [
    ...(verbs.length === 0 ? [] : [`verbs=(${described(verbs.map((v) => [v.word, v.about]))})`]),
    `flags=(${described(flags.map(({ long, about }) => [long, about]))})`,
    ...(names.length === 0 ? [] : [`names=(${names.map(quoted).join(' ')})`]),
    ...(settings.length === 0 ? [] : [`settings=(${settings.map(quoted).join(' ')})`]),
  ]
  return `    (${quoted(path.join(' '))})\n      ${lines.join('\n      ')}\n      ;;`
}

/** What an option's value may be: its words, or a file. */
function value({ path }: Verb, { long, values }: Flag): string {
  const answer =
    values.length === 0 ? '_files' : `values=(${values.map(quoted).join(' ')}); compadd -a values`
  return `    (${quoted(`${path.join(' ')} ${long}`.trim())}) ${answer}; return ;;`
}

function takesValue(flag: Flag): boolean {
  return flag.takesValue
}

/** `word:description`, in which a colon would begin the description. */
function described(all: readonly (readonly [word: string, about: string])[]): string {
  return all.map(([word, about]) => quoted(`${word.replaceAll(':', '\\:')}:${about}`)).join(' ')
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
