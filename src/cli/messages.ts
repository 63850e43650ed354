/** Messages of the command line itself; errors of the API have their own messages. */
import { commandName } from '../errors/command-name.js'
import { shellQuote } from '../errors/shell-quote.js'
import { type ErrorCode, type ErrorLocation, ResidualError } from '../index.js'

/** Creates an error for a wrong command line. */
function usageError(message: string, hint: string, at: ErrorLocation = {}): ResidualError {
  return new ResidualError({ code: 'E_USAGE', message, at, hint })
}

/** Errors of the command line. */
export const cliError = {
  invalidOverride: (word: string) =>
    usageError(
      `\`${word}\` is not of the form key=value`,
      /^[a-z][\w.-]*:[^/\\]/i.test(word)
        ? `Did you mean \`${word.replace(':', '=')}\`?`
        : 'Write settings as key=value, for example optimizer.lr=0.05.',
    ),
  noData: (command: string) =>
    new ResidualError({
      code: 'E_CONFIG',
      message: 'no data set is given',
      hint:
        'Pass a folder with one subfolder of images per class, or the name of a data set: ' +
        `\`residual ${command} ./photos\` or \`residual ${command} fashion-mnist-mini\`.`,
    }),
  imageUrl: (url: string) =>
    usageError(
      `${url} is a URL, and images are not downloaded`,
      `Pipe the image: \`curl -sL ${shellQuote(url)} | ${commandName()} predict RUN -\`.`,
      { key: 'images' },
    ),
  unreadableConfig: (file: string, cause: unknown) =>
    withCause(cause, {
      code: 'E_USAGE',
      message: `the configuration file could not be read: ${messageOf(cause)}`,
      at: { file },
      hint: 'Check the path given to --config.',
    }),
  invalidConfig: (file: string, line: number | undefined, cause: Error) =>
    withCause(cause, {
      code: 'E_CONFIG',
      message: `${file} is not valid YAML or JSON: ${cause.message}`,
      at: line === undefined ? { file } : { file, line },
      hint: 'Write YAML or JSON: one key and its value per line, indented with spaces.',
    }),
  configNotObject: (file: string) =>
    new ResidualError({
      code: 'E_CONFIG',
      message: `${file} must contain keys and values, such as \`epochs: 30\``,
      at: { file },
      hint: 'See config.json in a run folder for an example.',
    }),
  invalidCount: (flag: string, text: string) =>
    usageError(
      `--${flag} must be a positive integer, not '${text}'`,
      `Omit --${flag} to use the default.`,
      { key: flag },
    ),
  imageExtension: (path: string, flag: string, extensions: readonly string[]) =>
    usageError(
      `'${path}' has no supported image extension`,
      `Use a file name that ends in ${extensions.join(' or ')}.`,
      { key: flag },
    ),
  unwritable: (path: string, cause: unknown) =>
    withCause(cause, {
      code: 'E_WRITE',
      message: `${path} could not be written: ${messageOf(cause)}`,
      at: { file: path },
      hint: 'Choose an existing folder that you may write to.',
    }),
  unwritableOutput: (cause: unknown) =>
    withCause(cause, {
      code: 'E_WRITE',
      message: `the results could not be written to stdout: ${messageOf(cause)}`,
      at: {},
      hint: 'Redirect stdout to a file on a disk with free space.',
    }),
  unsupportedShell: (name: string | undefined, shells: readonly string[]) =>
    usageError(
      name === undefined ? 'no shell was specified' : `shell '${name}' is not supported`,
      `Run \`residual completion ${shells.join('`, `residual completion ')}\`.`,
      { key: 'shell' },
    ),
  noImages: (folder: string) =>
    new ResidualError({
      code: 'E_DATA_NOT_FOUND',
      message: `there is no JPEG or PNG file in ${folder}`,
      at: { file: folder },
      hint: 'Pass a folder that contains images, at any depth, or image files.',
    }),
  nothingToSetUp: () =>
    usageError(
      'nothing to set up: training on the CPU needs no setup',
      'For an NVIDIA GPU, run `residual setup --cuda`.',
      { key: 'cuda' },
    ),
  conflictingSetup: () =>
    usageError(
      '--verify and --remove cannot be combined with each other or another action',
      'Run the command once for each.',
    ),
  unusedSetupSource: (option: string, action: string) =>
    usageError(
      `--${option} has no effect with --${action}`,
      `Remove --${option}, or run the command without --${action}.`,
      { key: option },
    ),
  platformOfInstallation: () =>
    usageError(
      '--platform can only be used with --download-only: libraries are installed for this platform',
      'Download the wheels with `residual setup --cuda --download-only FOLDER --platform NAME`.',
      { key: 'platform' },
    ),
  licensesNotAccepted: () =>
    usageError(
      'the licenses of PyTorch and NVIDIA must be accepted, and there is no terminal for a question',
      'Read them with `residual setup --cuda --dry-run`, and pass --yes.',
      { key: 'yes' },
    ),
  stdinIsTerminal: () =>
    usageError(
      '`-` reads an image from stdin, but stdin is a terminal',
      `Pipe an image: \`curl -s https://example.org/cat.jpg | ${commandName()} predict RUN -\`.`,
      { key: 'images' },
    ),
}

/** Notices on stderr. */
export const notice = {
  stopping: (signal: string) => `${signal}: saving a checkpoint; repeat to exit immediately`,
  downloadingWeights: (file: string, megabytes: string, host: string) =>
    `downloading pretrained weights (once): ${file}, ${megabytes} MB from ${host}\n` +
    '  (`model.weights=none` trains from scratch; RESIDUAL_OFFLINE=1 disables downloads)',
  assumed: (sentence: string) => `assumed: ${sentence}`,
  weightsWarning: (sentence: string) => `warning: ${sentence}`,
  chosenValues: 'values chosen automatically (--explain shows all)',
  evaluating: 'evaluating the network for the report ...',
  missingSections: (sections: readonly string[], reason: string) =>
    `missing sections: ${sections.join(', ')}\n  ${reason}`,
  noBrowser: (target: string) => `no browser could be opened; open ${target}`,
  serving: (folder: string) => `serving the runs in ${folder}; press Ctrl-C to stop`,
  dashboardUrl: (url: string) => `dashboard: ${url}`,
  dashboardStillOpen: (url: string) =>
    `the run has ended; the dashboard stays available until Ctrl-C: ${url}`,
  dashboardClosed: (folder: string) =>
    `dashboard closed; start it again with \`${commandName()} dashboard ${shellQuote(folder)}\``,
  noDashboard: (reason: string) =>
    `the dashboard could not be started, but the run continues: ${reason}`,
  fileWritten: (file: string) => `wrote ${file}`,
}

function withCause(
  cause: unknown,
  error: { code: ErrorCode; message: string; at: ErrorLocation; hint: string },
): ResidualError {
  return new ResidualError(error, { cause })
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
