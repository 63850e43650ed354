// Written by scripts/cuda-wheels.mjs from the metadata of the wheels. Do not edit. A JavaScript module,
// because the set-up of a clone imports it before `tsc` runs.

/**
 * The wheels with libtorch for CUDA and its libraries, by platform.
 *
 * @type {Readonly<Record<string, readonly import('./pinned-wheel.js').PinnedWheel[]>>}
 */
export const CUDA_WHEELS = {
  'linux-x64-gnu': [
    {
      project: 'torch',
      version: '2.11.0',
      license: 'BSD-3-Clause',
      installedBytes: 968120275,
      builds: [
        {
          file: 'torch-2.11.0-cp311-cp311-manylinux_2_28_x86_64.whl',
          bytes: 530604548,
          sha256: '7aa2f9bbc6d4595ba72138026b2074be1233186150e9292865e04b7a63b8c67a',
        },
        {
          file: 'torch-2.11.0+cu130-cp311-cp311-manylinux_2_28_x86_64.whl',
          sha256: '225b22e0a4e36ea573d3a68796e6816a160616f67e8b8c55683a88bf7777f4cd',
          bytes: 531045934,
        },
      ],
    },
    {
      project: 'nvidia-cublas',
      version: '13.1.0.3',
      license: 'LicenseRef-NVIDIA-Proprietary',
      installedBytes: 596572034,
      builds: [
        {
          file: 'nvidia_cublas-13.1.0.3-py3-none-manylinux_2_27_x86_64.whl',
          bytes: 423133236,
          sha256: 'ee8722c1f0145ab246bccb9e452153b5e0515fd094c3678df50b2a0888b8b171',
        },
      ],
    },
    {
      project: 'nvidia-cuda-runtime',
      version: '13.0.96',
      license: 'LicenseRef-NVIDIA-Proprietary',
      installedBytes: 765243,
      builds: [
        {
          file: 'nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl',
          bytes: 2243632,
          sha256: '7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548',
        },
      ],
    },
    {
      project: 'nvidia-cufft',
      version: '12.0.0.61',
      license: 'LicenseRef-NVIDIA-Proprietary',
      installedBytes: 287595073,
      builds: [
        {
          file: 'nvidia_cufft-12.0.0.61-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl',
          bytes: 214085489,
          sha256: '6c44f692dce8fd5ffd3e3df134b6cdb9c2f72d99cf40b62c32dde45eea9ddad3',
        },
      ],
    },
    {
      project: 'nvidia-cufile',
      version: '1.15.1.6',
      license: 'LicenseRef-NVIDIA-Proprietary',
      installedBytes: 3275074,
      builds: [
        {
          file: 'nvidia_cufile-1.15.1.6-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl',
          bytes: 1223672,
          sha256: '08a3ecefae5a01c7f5117351c64f17c7c62efa5fffdbe24fc7d298da19cd0b44',
        },
      ],
    },
    {
      project: 'nvidia-cuda-cupti',
      version: '13.0.85',
      license: 'LicenseRef-NVIDIA-Proprietary',
      installedBytes: 44009963,
      builds: [
        {
          file: 'nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_x86_64.whl',
          bytes: 10715597,
          sha256: '4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8',
        },
      ],
    },
    {
      project: 'nvidia-curand',
      version: '10.4.0.35',
      license: 'LicenseRef-NVIDIA-Proprietary',
      installedBytes: 132759293,
      builds: [
        {
          file: 'nvidia_curand-10.4.0.35-py3-none-manylinux_2_27_x86_64.whl',
          bytes: 59544258,
          sha256: '1aee33a5da6e1db083fe2b90082def8915f30f3248d5896bcec36a579d941bfc',
        },
      ],
    },
    {
      project: 'nvidia-cusolver',
      version: '12.0.4.66',
      license: 'LicenseRef-NVIDIA-Proprietary',
      installedBytes: 245170804,
      builds: [
        {
          file: 'nvidia_cusolver-12.0.4.66-py3-none-manylinux_2_27_x86_64.whl',
          bytes: 200941980,
          sha256: '0a759da5dea5c0ea10fd307de75cdeb59e7ea4fcb8add0924859b944babf1112',
        },
      ],
    },
    {
      project: 'nvidia-cusparse',
      version: '12.6.3.3',
      license: 'LicenseRef-NVIDIA-Proprietary',
      installedBytes: 162626281,
      builds: [
        {
          file: 'nvidia_cusparse-12.6.3.3-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl',
          bytes: 145942937,
          sha256: '2b3c89c88d01ee0e477cb7f82ef60a11a4bcd57b6b87c33f789350b59759360b',
        },
      ],
    },
    {
      project: 'nvidia-nvjitlink',
      version: '13.0.88',
      license: 'LicenseRef-NVIDIA-Proprietary',
      installedBytes: 98867712,
      builds: [
        {
          file: 'nvidia_nvjitlink-13.0.88-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl',
          bytes: 40713933,
          sha256: '13a74f429e23b921c1109976abefacc69835f2f433ebd323d3946e11d804e47b',
        },
      ],
    },
    {
      project: 'nvidia-cuda-nvrtc',
      version: '13.0.88',
      license: 'LicenseRef-NVIDIA-Proprietary',
      installedBytes: 227973557,
      builds: [
        {
          file: 'nvidia_cuda_nvrtc-13.0.88-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl',
          bytes: 90215200,
          sha256: 'ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575',
        },
      ],
    },
    {
      project: 'nvidia-nvtx',
      version: '13.0.85',
      license: 'Apache 2.0',
      installedBytes: 54259,
      builds: [
        {
          file: 'nvidia_nvtx-13.0.85-py3-none-manylinux1_x86_64.manylinux_2_5_x86_64.whl',
          bytes: 148047,
          sha256: '4936d1d6780fbe68db454f5e72a42ff64d1fd6397df9f363ae786930fd5c1cd4',
        },
      ],
    },
    {
      project: 'nvidia-cudnn-cu13',
      version: '9.19.0.56',
      license: 'LicenseRef-NVIDIA-Proprietary',
      installedBytes: 493430250,
      builds: [
        {
          file: 'nvidia_cudnn_cu13-9.19.0.56-py3-none-manylinux_2_27_x86_64.whl',
          bytes: 366066321,
          sha256: 'd20e1734305e9d68889a96e3f35094d733ff1f83932ebe462753973e53a572bf',
        },
      ],
    },
    {
      project: 'nvidia-cusparselt-cu13',
      version: '0.8.0',
      license: 'NVIDIA Proprietary Software',
      installedBytes: 233625786,
      builds: [
        {
          file: 'nvidia_cusparselt_cu13-0.8.0-py3-none-manylinux2014_x86_64.whl',
          bytes: 169884119,
          sha256: '25e30a8a7323935d4ad0340b95a0b69926eee755767e8e0b1cf8dd85b197d3fd',
        },
      ],
    },
    {
      project: 'nvidia-nccl-cu13',
      version: '2.28.9',
      license: 'LicenseRef-NVIDIA-Proprietary',
      installedBytes: 217999817,
      builds: [
        {
          file: 'nvidia_nccl_cu13-2.28.9-py3-none-manylinux_2_18_x86_64.whl',
          bytes: 196493177,
          sha256: 'e4553a30f34195f3fa1da02a6da3d6337d28f2003943aa0a3d247bbc25fefc42',
        },
      ],
    },
    {
      project: 'nvidia-nvshmem-cu13',
      version: '3.4.5',
      license: 'LicenseRef-NVIDIA-Proprietary',
      installedBytes: 45814452,
      builds: [
        {
          file: 'nvidia_nvshmem_cu13-3.4.5-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl',
          bytes: 60412546,
          sha256: '290f0a2ee94c9f3687a02502f3b9299a9f9fe826e6d0287ee18482e78d495b80',
        },
      ],
    },
  ],
  'linux-arm64-gnu': [
    {
      project: 'torch',
      version: '2.11.0',
      license: 'BSD-3-Clause',
      installedBytes: 716436802,
      builds: [
        {
          file: 'torch-2.11.0-cp311-cp311-manylinux_2_28_aarch64.whl',
          bytes: 419718178,
          sha256: 'd91aac77f24082809d2c5a93f52a5f085032740a1ebc9252a7b052ef5a4fddc6',
        },
        {
          file: 'torch-2.11.0+cu130-cp311-cp311-manylinux_2_28_aarch64.whl',
          sha256: '6304535e9e4cd1beeab449e407712602aa473a97e7b310dc5650ef50940bd94f',
          bytes: null,
        },
      ],
    },
    {
      project: 'nvidia-cublas',
      version: '13.1.0.3',
      license: 'LicenseRef-NVIDIA-Proprietary',
      installedBytes: 692637586,
      builds: [
        {
          file: 'nvidia_cublas-13.1.0.3-py3-none-manylinux_2_27_aarch64.whl',
          bytes: 542851226,
          sha256: 'c86fc7f7ae36d7528288c5d88098edcb7b02c633d262e7ddbb86b0ad91be5df2',
        },
      ],
    },
    {
      project: 'nvidia-cuda-runtime',
      version: '13.0.96',
      license: 'LicenseRef-NVIDIA-Proprietary',
      installedBytes: 768707,
      builds: [
        {
          file: 'nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl',
          bytes: 2261060,
          sha256: 'ef9bcbe90493a2b9d810e43d249adb3d02e98dd30200d86607d8d02687c43f55',
        },
      ],
    },
    {
      project: 'nvidia-cufft',
      version: '12.0.0.61',
      license: 'LicenseRef-NVIDIA-Proprietary',
      installedBytes: 284260073,
      builds: [
        {
          file: 'nvidia_cufft-12.0.0.61-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl',
          bytes: 214053554,
          sha256: '2708c852ef8cd89d1d2068bdbece0aa188813a0c934db3779b9b1faa8442e5f5',
        },
      ],
    },
    {
      project: 'nvidia-cufile',
      version: '1.15.1.6',
      license: 'LicenseRef-NVIDIA-Proprietary',
      installedBytes: 3110802,
      builds: [
        {
          file: 'nvidia_cufile-1.15.1.6-py3-none-manylinux_2_27_aarch64.whl',
          bytes: 1136992,
          sha256: 'bdc0deedc61f548bddf7733bdc216456c2fdb101d020e1ab4b88d232d5e2f6d1',
        },
      ],
    },
    {
      project: 'nvidia-cuda-cupti',
      version: '13.0.85',
      license: 'LicenseRef-NVIDIA-Proprietary',
      installedBytes: 43011459,
      builds: [
        {
          file: 'nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_aarch64.whl',
          bytes: 10310827,
          sha256: '796bd679890ee55fb14a94629b698b6db54bcfd833d391d5e94017dd9d7d3151',
        },
      ],
    },
    {
      project: 'nvidia-curand',
      version: '10.4.0.35',
      license: 'LicenseRef-NVIDIA-Proprietary',
      installedBytes: 147950333,
      builds: [
        {
          file: 'nvidia_curand-10.4.0.35-py3-none-manylinux_2_27_aarch64.whl',
          bytes: 61962106,
          sha256: '133df5a7509c3e292aaa2b477afd0194f06ce4ea24d714d616ff36439cee349a',
        },
      ],
    },
    {
      project: 'nvidia-cusolver',
      version: '12.0.4.66',
      license: 'LicenseRef-NVIDIA-Proprietary',
      installedBytes: 268203644,
      builds: [
        {
          file: 'nvidia_cusolver-12.0.4.66-py3-none-manylinux_2_27_aarch64.whl',
          bytes: 223467760,
          sha256: '02c2457eaa9e39de20f880f4bd8820e6a1cfb9f9a34f820eb12a155aa5bc92d2',
        },
      ],
    },
    {
      project: 'nvidia-cusparse',
      version: '12.6.3.3',
      license: 'LicenseRef-NVIDIA-Proprietary',
      installedBytes: 174903673,
      builds: [
        {
          file: 'nvidia_cusparse-12.6.3.3-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl',
          bytes: 162155568,
          sha256: '80bcc4662f23f1054ee334a15c72b8940402975e0eab63178fc7e670aa59472c',
        },
      ],
    },
    {
      project: 'nvidia-nvjitlink',
      version: '13.0.88',
      license: 'LicenseRef-NVIDIA-Proprietary',
      installedBytes: 89319920,
      builds: [
        {
          file: 'nvidia_nvjitlink-13.0.88-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl',
          bytes: 38768748,
          sha256: 'e931536ccc7d467a98ba1d8b89ff7fa7f1fa3b13f2b0069118cd7f47bff07d0c',
        },
      ],
    },
    {
      project: 'nvidia-cuda-nvrtc',
      version: '13.0.88',
      license: 'LicenseRef-NVIDIA-Proprietary',
      installedBytes: 103947365,
      builds: [
        {
          file: 'nvidia_cuda_nvrtc-13.0.88-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl',
          bytes: 43015449,
          sha256: 'd27f20a0ca67a4bb34268a5e951033496c5b74870b868bacd046b1b8e0c3267b',
        },
      ],
    },
    {
      project: 'nvidia-nvtx',
      version: '13.0.85',
      license: 'Apache 2.0',
      installedBytes: 54043,
      builds: [
        {
          file: 'nvidia_nvtx-13.0.85-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl',
          bytes: 148878,
          sha256: 'cb7780edb6b14107373c835bf8b72e7a178bac7367e23da7acb108f973f157a6',
        },
      ],
    },
    {
      project: 'nvidia-cudnn-cu13',
      version: '9.19.0.56',
      license: 'LicenseRef-NVIDIA-Proprietary',
      installedBytes: 533656802,
      builds: [
        {
          file: 'nvidia_cudnn_cu13-9.19.0.56-py3-none-manylinux_2_27_aarch64.whl',
          bytes: 433781201,
          sha256: '6ed29ffaee1176c612daf442e4dd6cfeb6a0caa43ddcbeb59da94953030b1be4',
        },
      ],
    },
    {
      project: 'nvidia-cusparselt-cu13',
      version: '0.8.0',
      license: 'NVIDIA Proprietary Software',
      installedBytes: 273894322,
      builds: [
        {
          file: 'nvidia_cusparselt_cu13-0.8.0-py3-none-manylinux2014_aarch64.whl',
          bytes: 220791277,
          sha256: '400c6ed1cf6780fc6efedd64ec9f1345871767e6a1a0a552a1ea0578117ea77c',
        },
      ],
    },
    {
      project: 'nvidia-nccl-cu13',
      version: '2.28.9',
      license: 'LicenseRef-NVIDIA-Proprietary',
      installedBytes: 219359625,
      builds: [
        {
          file: 'nvidia_nccl_cu13-2.28.9-py3-none-manylinux_2_18_aarch64.whl',
          bytes: 196561677,
          sha256: '01c873ba1626b54caa12272ed228dc5b2781545e0ae8ba3f432a8ef1c6d78643',
        },
      ],
    },
    {
      project: 'nvidia-nvshmem-cu13',
      version: '3.4.5',
      license: 'LicenseRef-NVIDIA-Proprietary',
      installedBytes: 45647260,
      builds: [
        {
          file: 'nvidia_nvshmem_cu13-3.4.5-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl',
          bytes: 60215947,
          sha256: '6dc2a197f38e5d0376ad52cd1a2a3617d3cdc150fd5966f4aee9bcebb1d68fe9',
        },
      ],
    },
  ],
}
