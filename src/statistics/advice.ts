/** Minimum gap between training accuracy and evaluated accuracy that counts as overfitting. */
export const OVERFITTING_GAP = 0.1

/** Facts about a network that is hardly better than guessing; unknown facts are undefined. */
export interface PoorNetwork {
  /** Accuracy on the evaluated images, 0 to 1. */
  accuracy: number
  /** Accuracy on the training images, 0 to 1. */
  trainAccuracy?: number | undefined
  /** Number of classes. */
  numClasses: number
  /** Number of classes that were predicted for at least one image; 0 if unknown. */
  numPredicted: number
  /** Whether training started from pretrained weights. */
  isPretrained?: boolean | undefined
  /** Location of the images, quoted for a shell; it is part of the suggested commands. */
  source?: string | undefined
}

/** Returns sentences of advice, in which commands and settings are enclosed in backticks. */
export function adviseOnPoorAccuracy(network: PoorNetwork): string[] {
  const { accuracy, trainAccuracy, numClasses, numPredicted, isPretrained } = network
  const data = network.source ?? 'DATA'
  const isOverfitted = trainAccuracy !== undefined && trainAccuracy - accuracy > OVERFITTING_GAP
  const usePretrained = isPretrained
    ? []
    : ['Start from pretrained weights, which need fewer images: `model.weights=imagenet`.']
  const checkLabels = `Check that the images match their labels: \`residual data preview ${data}\`.`
  const lowerRate =
    numPredicted === 1 && numClasses > 1
      ? ['Lower the learning rate: the network predicts the same class for every image.']
      : []
  if (isOverfitted) {
    return [
      ...lowerRate,
      'Use more images or stronger augmentation: the network fits only the training images.',
      ...usePretrained,
      'Check that the evaluated and the training images are of the same kind and labeled alike.',
    ]
  }
  return [
    ...lowerRate,
    `Find a learning rate: \`residual find-lr ${data}\`.`,
    'Train for more epochs: `--epochs`.',
    ...usePretrained,
    checkLabels,
  ]
}
