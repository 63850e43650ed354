import { basename } from 'node:path'
import { BuildError } from '../setup/error.mjs'
import { PLATFORM } from '../setup/platform.mjs'
import { STUBBED } from './cuda-stubs.mjs'

/**
 * Origin and license of libraries.
 *
 * @typedef {object} Vendor
 * @property {string} name folder of its license texts
 * @property {RegExp} library
 * @property {string} contents
 * @property {string} license
 * @property {string} [wheel] wheel that contains the texts; without one, the texts are committed
 * @property {boolean} [isTestOnly] whether a package with these libraries must not be published
 */

/**
 * Vendor of each library of libtorch, or of a part of it.
 *
 * @type {readonly Vendor[]}
 */
const VENDORS = [
  {
    name: 'pytorch',
    library: /^(lib(torch_cpu|c10)\.(so|dylib)|(torch_cpu|c10|uv)\.dll|libarm_compute.*\.so)$/,
    contents: 'PyTorch, and libraries that it is built with',
    license: 'BSD-3-Clause; the text includes the licenses of the other libraries',
    wheel: 'torch',
  },
  ...(PLATFORM.cpu === 'x64'
    ? [
        {
          name: 'intel-onemkl',
          library: /^(libtorch_cpu\.so|torch_cpu\.dll)$/,
          contents: 'Intel oneMKL, linked statically',
          license: 'Intel Simplified Software License',
        },
      ]
    : []),
  {
    name: 'gcc',
    library: /^lib(gomp|gfortran).*\.so/,
    contents: 'runtime libraries of GCC ([source](https://gcc.gnu.org/releases.html))',
    license: 'GPL-3.0-or-later WITH GCC-exception-3.1',
  },
  {
    name: 'llvm-openmp',
    library: /^libomp\.dylib$/,
    contents: "LLVM's OpenMP runtime",
    license: 'Apache-2.0 WITH LLVM-exception',
  },
  {
    name: 'intel-openmp',
    library: /^libiomp5md\.dll$/,
    contents: "Intel's OpenMP runtime",
    license: 'Intel End User License Agreement for Developer Tools',
  },
  {
    name: 'residual',
    library: STUBBED,
    contents: "stand-ins of residual for NVIDIA's libraries, which report that there is no GPU",
    license: 'MIT',
  },
  {
    name: 'nvidia-nvpl',
    library: /^libnvpl_/,
    contents: "NVIDIA's BLAS and LAPACK",
    license: 'unknown: PyTorch’s wheel contains no text',
    isTestOnly: true,
  },
]

/**
 * Returns the vendors of a library.
 *
 * @param {string} path
 * @returns {readonly Vendor[]}
 */
export function vendorsOf(path) {
  const vendors = VENDORS.filter(({ library }) => library.test(basename(path)))
  if (vendors.length === 0) throw new BuildError(`${path}: the license of this library is unknown`)
  return vendors
}
