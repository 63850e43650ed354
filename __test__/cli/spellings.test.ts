import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import type { ResidualError, TrainConfig } from 'residual'
import { applyOverride, type Draft } from '#dist/cli/arguments/config-arguments.js'
import { localizeError } from '#dist/cli/arguments/config-sources.js'
import { checkOptions } from '#dist/native/arguments/check-options.js'
import { residual, script } from '../child.js'
import { tempFolder } from '../tiny.js'

const MINI = 'fashion-mnist-mini'

/** Settings as users of other tools write them: the argument, and the setting that is suggested. */
const SPELLINGS: readonly (readonly [argument: string, suggestion: string])[] = [
  ['batch_size=8', 'batchSize=8'],
  ['batch-size=8', 'batchSize=8'],
  ['batchsize=8', 'batchSize=8'],
  ['batch=16', 'batchSize=16'],
  ['per_device_train_batch_size=8', 'batchSize=8'],
  ['lr=0.1', 'optimizer.lr=0.1'],
  ['lr0=0.01', 'optimizer.lr=0.01'],
  ['learning_rate=0.1', 'optimizer.lr=0.1'],
  ['max_lr=0.1', 'optimizer.lr=0.1'],
  ['lr_max=0.1', 'optimizer.lr=0.1'],
  ['imageSize=64', 'data.imageSize=64'],
  ['imgsz=224', 'data.imageSize=224'],
  ['img_size=64', 'data.imageSize=64'],
  ['target_size=64', 'data.imageSize=64'],
  ['resize=64', 'data.imageSize=64'],
  ['input-size=[3,64,64]', 'data.imageSize'],
  ['num_epochs=5', 'epochs=5'],
  ['nb_epoch=5', 'epochs=5'],
  ['epoch=5', 'epochs=5'],
  ['max_steps=5', 'budget.steps=5'],
  ['total_steps=5', 'budget.steps=5'],
  ['opt=adamw', 'optimizer=adamw'],
  ['optimizer.name=adam', 'optimizer.type=adam'],
  ['optimizer.name=Adam', 'optimizer.type=adam'],
  ['optimizer=Adam', 'optimizer=adam'],
  ['optimizer=0.1', 'optimizer.lr=0.1'],
  ['optimizer.learning_rate=0.1', 'optimizer.lr=0.1'],
  ['optimizer.betas=[0.9,0.99]', "optimizer.type=adam optimizer.betas='[0.9,0.99]'"],
  ['weight_decay=1e-4', 'optimizer.weightDecay=0.0001'],
  ['wd=0.01', 'optimizer.weightDecay=0.01'],
  ['momentum=0.9', 'optimizer.momentum=0.9'],
  ['scheduler=cosine', 'schedule=cosine'],
  ['schedule=CosineAnnealingLR', 'schedule=cosine'],
  ['cos_lr=true', 'schedule=cosine'],
  ['step_size=10', 'schedule.type=step schedule.stepSize=10'],
  ['decay-epochs=30', 'schedule.type=step schedule.stepSize=30'],
  ['warmup=3', 'warmup.epochs=3'],
  ['warmup_epochs=3', 'warmup.epochs=3'],
  ['arch=resnet18', 'model=resnet18'],
  ['model.name=resnet18', 'model.arch=resnet18'],
  ['pretrained=true', 'model.weights=imagenet'],
  ['pretrained=False', 'model.weights'],
  ['freeze_backbone=true', `model.freeze='["backbone"]'`],
  ['data.path=./photos', 'data.source=./photos'],
  ['data_dir=./photos', 'data=./photos'],
  ['val_split=0.2', 'data.validation=0.2'],
  ['device=gpu', 'device=cuda'],
  ['device=cuda:0', 'device=cuda'],
  ['accelerator=gpu', 'device=cuda'],
  ['gpus=1', 'device=cuda'],
  ['no_cuda=true', 'device=cpu'],
  ['num_workers=4', 'workers=4'],
  ['amp=true', 'precision=bf16'],
  ['dtype=float16', 'precision=fp16'],
  ['precision=16-mixed', 'precision=fp16'],
  ['random_state=42', 'seed=42'],
  ['label_smoothing=0.1', 'loss.labelSmoothing=0.1'],
  ['class_weight=balanced', 'loss.classWeights=balanced'],
  ['clip_grad=1', 'gradient.clipNorm=1'],
  ['accum_iter=4', 'gradient.accumulate=4'],
  ['model-ema-decay=0.99', 'ema.decay=0.99'],
  ['early_stopping=5', 'earlyStopping.patience=5'],
  ['early_stopping=true', 'earlyStopping'],
  ['mixup=0.2', 'transform.mix=mixup'],
  ['aa=rand-m9-mstd0.5', 'transform.policy=randaugment'],
  ['hflip=0.5', 'transform.flip=true'],
  ['transform.flip=True', 'transform.flip=true'],
  ['monitor=val_acc', 'monitor=val.accuracy'],
  ['output_dir=runs/x', 'out=runs/x'],
  ['exist_ok=true', 'overwrite=true'],
  ['save_period=5', 'checkpoint.everyEpochs=5'],
]

function errorOf(config: Draft): ResidualError {
  try {
    checkOptions('train', JSON.stringify(config))
  } catch (error) {
    return error as ResidualError
  }
  throw new Error(`${JSON.stringify(config)} is valid`)
}

for (const [argument, suggestion] of SPELLINGS) {
  test(`${argument} suggests ${suggestion}`, (t) => {
    const draft: Draft = {}
    applyOverride(draft, argument)
    const error = errorOf({ data: MINI, ...draft })
    t.regex(error.code, /^E_(UNKNOWN_KEY|CONFIG)$/)
    const { hint, place } = localizeError(error)
    t.is(hint, `Did you mean \`${suggestion}\`?`)
    t.is(place, argument)
  })
}

test('a suggested setting is valid', (t) => {
  for (const [argument, suggestion] of SPELLINGS) {
    if (!suggestion.includes('=')) continue
    const draft: Draft = { data: MINI }
    for (const word of suggestion.split(' ')) applyOverride(draft, word.replaceAll("'", ''))
    t.notThrows(() => checkOptions('train', JSON.stringify(draft)), argument)
  }
})

test('names without a counterpart get advice', (t) => {
  const cases: [string, RegExp][] = [
    ['num_classes', /the classes are those of the data set/],
    ['shuffle', /shuffled in every epoch/],
    ['dropout', /no adjustable dropout/],
    ['pin_memory', /load images ahead/],
    ['torchcompile', /nothing has to be compiled/],
    ['tensorboard', /TensorBoard logs/],
    ['color_jitter', /randaugment/],
    ['warmup_steps', /`warmup\.epochs`/],
    ['criterion', /cross-entropy/],
    ['dry_run', /train --dry-run/],
  ]
  for (const [name, advice] of cases) t.regex(errorOf({ [name]: 1 }).hint, advice, name)
})

test('a key of the API without a value is an error if it is unknown', async (t) => {
  const { stdout, stderr } = await script(`
    import { bench, inspect, loadModel, plan, train } from 'residual'
    const data = '${MINI}'
    const calls = [
      () => train({ data, modle: undefined }),
      () => train({ data, optimizer: { lr: undefined, momentun: undefined } }),
      () => train({ recipe: 'notebook', epochz: undefined }),
      () => plan({ data }, { mesure: undefined }),
      () => inspect({ model: 'resnet18', imageSzie: undefined }),
      () => bench({ model: 'resnet8', round: undefined }),
    ]
    for (const call of calls) {
      try { await call(); console.log('no error') } catch ({ code, hint }) { console.log(code, hint) }
    }
  `)
  t.is(stderr, '')
  const keys = ['model', 'optimizer.momentum', 'epochs', 'measure', 'imageSize', 'rounds']
  const expected = keys.map((key) => `E_UNKNOWN_KEY Did you mean \`${key}\`?\n`)
  t.is(stdout, expected.join(''))
})

test('a missing configuration or data set is answered with an example', async (t) => {
  const { stdout } = await script(`
    import { train } from 'residual'
    for (const config of [undefined, {}]) {
      try { await train(config) } catch ({ code, hint }) { console.log(code, hint) }
    }
  `)
  const [first = '', second = ''] = stdout.split('\n')
  t.regex(first, /^E_CONFIG .*`train\(\{ data: '\.\/photos' \}\)`/)
  t.regex(second, /^E_CONFIG Set `data` to a folder of images/)
  for (const command of ['train', 'find-lr', 'experiment repeat']) {
    const { status, stderr } = await residual(command.split(' '))
    t.is(status, 2)
    t.regex(stderr, new RegExp(`\`npx residual ${command} \\./photos\``), command)
  }
})

test('a misspelled option is suggested with its value', async (t) => {
  const cases: [string, string][] = [
    ['--batchsize 8', '--batch-size 8'],
    ['--batchsize=8', '--batch-size 8'],
    ['--learning-rate 0.1', '--lr 0.1'],
    ['--weight-decay 0.1', 'optimizer.weightDecay=0.1'],
    ['--oversample', 'loss.classWeights=balanced'],
    ['--nesterov', 'optimizer.nesterov=true'],
    ['--exist-ok', '--overwrite'],
  ]
  for (const [words, suggestion] of cases) {
    const { status, stderr } = await residual(['train', MINI, ...words.split(' ')])
    t.is(status, 2)
    t.true(stderr.includes(`Did you mean ${suggestion}?`), `${words}: ${stderr}`)
  }
})

test('a file and its line are named, with a suggestion in the syntax of the file', async (t) => {
  const file = join(tempFolder(t), 'run.yaml')
  const cases: [string, string][] = [
    ['optimizer:\n  name: adam', "`optimizer: { type: 'adam' }`"],
    ['epochs: 1\nbatch_size: 8', '`batchSize: 8`'],
    ['epochs: 1\nwarmup: 3', '`warmup: { epochs: 3 }`'],
  ]
  for (const [text, suggestion] of cases) {
    writeFileSync(file, `${text}\n`)
    const { status, stderr } = await residual(['train', MINI, '--config', file])
    t.is(status, 2)
    t.true(stderr.includes(`at ${file}:2\n`), stderr)
    t.true(stderr.includes(`Did you mean ${suggestion}?`), stderr)
  }
})

test('the types accept short forms', (t) => {
  const config: TrainConfig = { data: MINI, optimizer: { lr: 0.05 }, schedule: 'cosine' }
  t.notThrows(() => checkOptions('train', JSON.stringify(config)))
  t.notThrows(() => checkOptions('train', JSON.stringify({ ...config, optimizer: 'adam' })))
})
