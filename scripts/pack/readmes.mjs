import { basename } from 'node:path'
import { ADDON_FILES } from '../../src/native/prebuilt-platforms.js'
import { LIBTORCH_VERSION } from '../setup/libtorch/pins.mjs'
import { PLATFORM, PLATFORM_NAME } from '../setup/platform.mjs'
import { vendorsOf } from './vendors.mjs'

const RESIDUAL = '[`residual`](https://www.npmjs.com/package/residual)'

/** Requirement of the platform that its name does not state. */
const REQUIREMENTS = {
  darwin: 'macOS 11 or later',
  win32: 'the Microsoft Visual C++ 2015-2022 Redistributable',
}

/** Returns the README of the package of the addons. */
export function addonsReadme() {
  const { title, libtorch, cudaLibrary } = PLATFORM
  return [
    `# @residual/${PLATFORM_NAME}\n`,
    `Native addons of ${RESIDUAL} for ${title}. npm installs this package together with \`residual\`;`,
    `it has no API of its own. It requires ${requirement()}.\n`,
    `- \`${ADDON_FILES.core}\` inspects networks and data sets, without libtorch.`,
    `- \`${ADDON_FILES.torch}\` trains and predicts. It is loaded after the libraries of`,
    `  \`@residual/${libtorch.name}\`.`,
    ...(cudaLibrary === undefined
      ? []
      : [
          `- \`${cudaLibrary}\` contains the CUDA calls. It is loaded only if an NVIDIA driver and PyTorch's`,
          '  CUDA libraries are found, and contains no code of either.',
        ]),
    '',
    'The addons are compiled from the Rust and C++ sources of `residual` (MIT, see LICENSE). Licenses of',
    'the libraries that are linked into them: THIRD-PARTY-NOTICES.txt.\n',
  ].join('\n')
}

/**
 * Returns the README of the package of libtorch.
 *
 * @param {readonly string[]} libraries
 */
export function libtorchReadme(libraries) {
  const rows = libraries.flatMap((library) =>
    vendorsOf(library).map(
      ({ name, contents, license }) =>
        `| \`${basename(library)}\` | ${contents} | ${license} | \`${name}/\` |`,
    ),
  )
  const { title, libtorch } = PLATFORM
  return [
    `# @residual/${libtorch.name}\n`,
    `CPU libraries of PyTorch ${LIBTORCH_VERSION}, unmodified, for ${RESIDUAL} on ${title}. npm installs this`,
    `package together with \`residual\`, which loads \`lib/${libtorch.library}\`; it has no API of its own. It`,
    `requires ${requirement()}.\n`,
    '| File in `lib/` | Contents | License | Text in `licenses/` |',
    '|---|---|---|---|',
    ...rows,
    '',
  ].join('\n')
}

function requirement() {
  const { os, minGlibc } = PLATFORM
  return os === 'darwin' || os === 'win32'
    ? REQUIREMENTS[os]
    : `glibc ${(minGlibc ?? []).join('.')} or later`
}
