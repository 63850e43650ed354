/**
 * What the command line says of its own accord. Failures of the API come with their own words; how
 * they are laid out is in failure.ts.
 */
import { type ErrorCode, type Place, ResidualError } from '../index.js'

/** Wrong usage: what was typed, and how it would be right. */
function usage(message: string, hint: string, at: Place = {}): ResidualError {
  return new ResidualError({ code: 'E_USAGE', message, at, hint })
}

/** Refusals, by what is refused. */
export const refusal = {
  setting: (word: string) =>
    usage(
      `\`${word}\` is no setting`,
      'A setting is a key, an equals sign and a value: optimizer.lr=0.05',
    ),
  unreadableConfiguration: (file: string, cause: unknown) =>
    because(cause, {
      code: 'E_USAGE',
      message: `the configuration could not be read: ${reason(cause)}`,
      at: { file },
      hint: 'Check the path given to --config.',
    }),
  brokenConfiguration: (file: string, line: number | undefined, cause: Error) =>
    because(cause, {
      code: 'E_CONFIG',
      message: cause.message,
      at: line === undefined ? { file } : { file, line },
      hint: 'Write YAML or JSON: `epochs: 30` on a line of its own, say.',
    }),
  emptyConfiguration: (file: string) =>
    new ResidualError({
      code: 'E_CONFIG',
      message: `${file} must hold keys and values, as in \`epochs: 30\``,
      at: { file },
      hint: 'A config.json of an earlier run is one.',
    }),
  number: (flag: string, text: string) =>
    usage(
      `--${flag} must be a whole number, 1 or more, not '${text}'`,
      `Leave --${flag} out for its default.`,
      { key: flag },
    ),
  picture: (path: string, key: string, kinds: readonly string[]) =>
    usage(
      `a picture cannot be written as '${path}'`,
      `Let its name end in ${kinds.join(' or ')}.`,
      { key },
    ),
  unwritable: (path: string, cause: unknown) =>
    because(cause, {
      code: 'E_WRITE',
      message: `${path} could not be written: ${reason(cause)}`,
      at: { file: path },
      hint: 'Choose a place that is there and may be written to.',
    }),
  shell: (name: string | undefined, shells: readonly string[]) =>
    usage(
      name === undefined
        ? 'which shell is to be completed?'
        : `there is no completion for the shell '${name}'`,
      `Write \`residual completion ${shells.join('`, `residual completion ')}\`.`,
      { key: 'shell' },
    ),
  noImages: (folder: string) =>
    new ResidualError({
      code: 'E_DATA_NOT_FOUND',
      message: `there is no JPEG or PNG file in ${folder}`,
      at: { file: folder },
      hint: 'Name a folder with images in it or below it, or the files themselves.',
    }),
  unreadableFolder: (folder: string, cause: unknown) =>
    because(cause, {
      code: 'E_IO',
      message: `${folder} could not be read: ${reason(cause)}`,
      at: { file: folder },
      hint: 'Check the path, and that the folder may be read.',
    }),
  terminalInput: () =>
    usage(
      '`-` reads an image from stdin, and nothing is piped into it',
      'Pipe one in: `curl -s https://example.org/cat.jpg | residual predict RUN -`.',
      { key: 'images' },
    ),
}

/** What is remarked on the way, on stderr. */
export const remark = {
  stopping: (signal: string) => `${signal}: saving a checkpoint; once more to end at once`,
  weights: (file: string, megabytes: string, host: string) =>
    `fetching weights to begin from, once: ${file}, ${megabytes} MB from ${host}\n` +
    '  (`model.weights=none` does without; RESIDUAL_OFFLINE=1 fetches nothing)',
  assumed: (sentence: string) => `assumed: ${sentence}`,
  chosen: 'chosen for you (--explain tells all)',
  measuring: 'measuring the network on its images ...',
  leftOut: (sections: readonly string[], why: string) =>
    `left out: ${sections.join(', ')}\n  ${why}`,
  noBrowser: (target: string) => `no browser could be opened; open ${target} in one`,
  serving: (folder: string) => `the page shows the runs in ${folder}; Ctrl-C ends it`,
  watching: (url: string) => `watch it at ${url}`,
  stillWatched: (url: string) => `the page stays open until Ctrl-C: ${url}`,
  unwatched: (folder: string) =>
    `the live page has ended; \`residual dashboard ${folder}\` serves it again`,
  noPage: (why: string) => `the live page could not be served, and the run goes on: ${why}`,
  wrote: (file: string) => `wrote ${file}`,
}

function because(
  cause: unknown,
  failure: { code: ErrorCode; message: string; at: Place; hint: string },
): ResidualError {
  return new ResidualError(failure, { cause })
}

function reason(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
