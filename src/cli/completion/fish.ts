import type { Verb, Vocabulary } from './vocabulary.js'

/** A completion script for fish, with descriptions. */
export function fish(vocabulary: Vocabulary): string {
  return `# Completion for residual in fish, made by \`residual completion fish\`.
function __residual_verb
  set -l verb
  for word in (commandline -opc)[2..-1]
    string match -q -- '-*' $word; and break
    set -l path (string join ' ' -- $verb $word)
    contains -- $path ${vocabulary
      .filter(({ path }) => path.length > 0)
      .map(({ path }) => quoted(path.join(' ')))
      .join(' ')}; or break
    set verb $path
  end
  echo $verb
end
function __residual_is
  set -l verb (__residual_verb)
  test "$verb" = "$argv[1]"
end
${vocabulary.map(lines).join('\n')}
`
}

function lines(verb: Verb): string {
  const when = `complete -c residual -n ${quoted(`__residual_is ${doubly(verb.path.join(' '))}`)}`
  const flags = verb.flags.map(({ long, about, takesValue, values }) => {
    const value = !takesValue ? '' : values.length === 0 ? ' -r -F' : ` -x -a ${list(values)}`
    return `${when} -l ${long.replace(/^--/, '')}${value} -d ${quoted(about)}`
  })
  // Where only commands can follow, no file is offered.
  const verbs = verb.verbs.map(
    ({ word, about }) => `${when} -f -a ${quoted(word)} -d ${quoted(about)}`,
  )
  const words = [...verb.names, ...verb.settings]
  return [...verbs, ...flags, ...(words.length === 0 ? [] : [`${when} -a ${list(words)}`])].join(
    '\n',
  )
}

function list(words: readonly string[]): string {
  return quoted(words.join(' '))
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}

/** A word inside a quoted command. */
function doubly(text: string): string {
  return `"${text}"`
}
