//! Names of configuration keys in other frameworks: PyTorch scripts, timm, Lightning, Keras, fastai,
//! Hugging Face and Ultralytics.

/// Names of a key in other frameworks.
pub(crate) struct Alias {
    /// Normalized names.
    pub names: &'static [&'static str],
    /// Keys of this project; the first one that the configuration has is suggested. A key that starts
    /// with a dot is in the object of the unknown key: `.type` is `optimizer.type` for
    /// `optimizer.name`.
    pub keys: &'static [&'static str],
    /// Value to suggest instead of the value of the unknown key, as JSON.
    pub value: Option<&'static str>,
}

const fn alias(names: &'static [&'static str], keys: &'static [&'static str]) -> Alias {
    Alias { names, keys, value: None }
}

const fn alias_for_value(
    names: &'static [&'static str],
    keys: &'static [&'static str],
    value: &'static str,
) -> Alias {
    Alias { names, keys, value: Some(value) }
}

/// Aliases of keys.
pub(crate) const ALIASES: &[Alias] = &[
    alias(&["name", "kind", "class", "algorithm", "method"], &[".type", ".arch", ".source", "out"]),
    alias(
        &["learningrate", "baselr", "lrbase", "initiallr", "maxlr", "lrmax", "lr0", "eta"],
        &["optimizer.lr"],
    ),
    alias(&["wd", "l2", "l2reg", "decay", "weightdecayrate"], &["optimizer.weightDecay"]),
    alias(&["optim", "opt", "optimizername", "optimizertype"], &["optimizer"]),
    alias(
        &[
            "bs",
            "batch",
            "trainbatchsize",
            "perdevicetrainbatchsize",
            "minibatch",
            "minibatchsize",
            "imagesperbatch",
        ],
        &["batchSize"],
    ),
    alias(
        &["numepochs", "nepochs", "nbepochs", "maxepochs", "nepoch", "numtrainepochs", "ep"],
        &["epochs", "budget.epochs"],
    ),
    alias(
        &["maxsteps", "numsteps", "totalsteps", "iterations", "iters", "maxiter", "maxiters"],
        &["budget.steps"],
    ),
    alias(&["maxtime", "timeout", "timelimit", "time"], &["budget.seconds"]),
    alias(
        &[
            "imgsize",
            "imgsz",
            "imgheight",
            "imgwidth",
            "imageheight",
            "imagewidth",
            "inputsize",
            "inputshape",
            "targetsize",
            "size",
            "resize",
            "resolution",
            "imsize",
            "cropsize",
            "traincropsize",
        ],
        &["data.imageSize", "imageSize"],
    ),
    alias(
        &[
            "dataset",
            "datadir",
            "datapath",
            "dataroot",
            "root",
            "path",
            "folder",
            "dir",
            "images",
            "imagefolder",
            "imagedir",
            "traindir",
            "traindata",
        ],
        &[".source", "data"],
    ),
    alias(
        &[
            "valsplit",
            "validationsplit",
            "valratio",
            "valsize",
            "valfraction",
            "testsize",
            "validsplit",
            "validpct",
            "valpct",
        ],
        &["data.validation"],
    ),
    alias(&["maxsamples", "maximages", "numsamples", "subset"], &["data.limit"]),
    alias(&["inchans", "inchannels", "numchannels"], &["data.channels", "channels"]),
    alias_for_value(&["grayscale", "greyscale"], &["data.channels", "channels"], "1"),
    alias(
        &["arch", "architecture", "network", "net", "backbone", "encoder", "modelname"],
        &[".arch", "model"],
    ),
    alias(
        &[
            "checkpointpath",
            "ckpt",
            "ckptpath",
            "weightsfile",
            "initialcheckpoint",
            "initweights",
            "load",
            "loadweights",
            "pretrainedpath",
        ],
        &["model.weights"],
    ),
    alias_for_value(
        &["pretrained", "usepretrained", "transferlearning", "finetune", "finetuning"],
        &["model.weights"],
        "\"imagenet\"",
    ),
    alias_for_value(&["fromscratch", "scratch"], &["model.weights"], "\"none\""),
    alias_for_value(&["freezebackbone", "freezebase"], &["model.freeze"], "[\"backbone\"]"),
    alias(&["scheduler", "lrscheduler", "lrschedulertype", "lrschedule", "sched"], &["schedule"]),
    alias_for_value(&["coslr", "cosinelr"], &["schedule"], "\"cosine\""),
    alias(&["decayepochs"], &["schedule.stepSize"]),
    alias(&["decayrate", "lrdecay"], &["schedule.gamma"]),
    alias(&["decaymilestones", "lrsteps"], &["schedule.milestones"]),
    alias(&["lrmin", "finallr", "etamin"], &["schedule.minLr"]),
    alias(&["lrwarmupepochs"], &["warmup.epochs"]),
    alias(&["accelerator"], &["device"]),
    alias_for_value(
        &["gpu", "gpus", "ngpu", "ngpus", "numgpus", "gpuid", "cuda", "usecuda", "usegpu"],
        &["device"],
        "\"cuda\"",
    ),
    alias_for_value(&["cpu", "nocuda", "usecpu"], &["device"], "\"cpu\""),
    alias(&["dtype", "mixedprecision"], &["precision"]),
    alias_for_value(&["amp", "useamp", "autocast"], &["precision"], "\"bf16\""),
    alias_for_value(&["fp16", "half"], &["precision"], "\"fp16\""),
    alias_for_value(&["bf16"], &["precision"], "\"bf16\""),
    alias_for_value(&["channelslast"], &["memoryFormat"], "\"channels_last\""),
    alias(&["randomseed", "manualseed", "randomstate", "rngseed", "torchseed"], &["seed"]),
    alias(
        &["numworkers", "nworkers", "njobs", "dataloaderworkers", "dataloadernumworkers"],
        &["workers"],
    ),
    alias(&["numthreads", "nthreads", "nthread"], &["threads"]),
    alias(
        &[
            "output",
            "outputdir",
            "outdir",
            "savedir",
            "savepath",
            "logdir",
            "project",
            "runname",
            "expname",
            "experiment",
            "experimentname",
        ],
        &["out"],
    ),
    alias(&["exist", "existok", "force", "overwriteoutputdir"], &["overwrite"]),
    alias(&["resumefrom", "resumefromcheckpoint"], &["resume"]),
    alias(&["smoothing", "ls"], &["loss.labelSmoothing"]),
    alias_for_value(
        &["oversample", "sampler", "balanceclasses"],
        &["loss.classWeights"],
        "\"balanced\"",
    ),
    alias(
        &[
            "gradclip",
            "gradclipnorm",
            "clipgrad",
            "clipgradnorm",
            "maxgradnorm",
            "gradientclipval",
            "maxnorm",
            "clip",
        ],
        &["gradient.clipNorm"],
    ),
    alias(
        &[
            "accumulategradbatches",
            "gradientaccumulationsteps",
            "gradaccum",
            "gradaccumsteps",
            "accumulationsteps",
            "accumiter",
            "iterstoaccumulate",
        ],
        &["gradient.accumulate"],
    ),
    alias(&["earlystop", "earlystoppingcallback"], &["earlyStopping"]),
    alias(&["espatience", "earlystoppatience"], &["earlyStopping.patience"]),
    alias(&["patiencelr", "patienceepochs"], &["schedule.patience"]),
    alias(&["cooldownepochs"], &["schedule.cooldown"]),
    alias(
        &["augment", "augmentation", "augmentations", "dataaugmentation", "transforms", "aug"],
        &["transform"],
    ),
    alias_for_value(
        &["hflip", "horizontalflip", "randomhorizontalflip", "fliplr"],
        &["transform.flip"],
        "true",
    ),
    alias(&["normalize", "normalization"], &["transform.mean"]),
    alias_for_value(&["mixup"], &["transform.mix"], "\"mixup\""),
    alias(&["mixupalpha"], &["transform.mix.alpha"]),
    alias_for_value(&["cutmix", "cutmixalpha"], &["transform.mix"], "\"cutmix\""),
    alias_for_value(
        &["aa", "randaugment", "autoaugment"],
        &["transform.policy"],
        "\"randaugment\"",
    ),
    alias_for_value(&["trivialaugment"], &["transform.policy"], "\"trivialaugment\""),
    alias_for_value(&["cutout"], &["transform.erase"], "\"cutout\""),
    alias(&["randomerasing", "randomerase", "erasing", "reprob"], &["transform.erase.probability"]),
    alias(&["ema", "modelema", "useema", "modelemadecay"], &["ema.decay"]),
    alias(
        &["printfreq", "loginterval", "logevery", "logeverynsteps", "loggingsteps"],
        &["log.everySteps"],
    ),
    alias(
        &["saveevery", "saveinterval", "saveperiod", "savefreq", "checkpointinterval"],
        &["checkpoint.everyEpochs"],
    ),
    alias(&["savesteps"], &["checkpoint.everySteps"]),
    alias(&["monitormetric", "metric", "metrics", "bestmetric"], &["monitor"]),
];

/// Names of other frameworks without a counterpart, and what to do instead.
pub(crate) const NO_COUNTERPART: &[(&[&str], &str)] = &[
    (
        &["numclasses", "nclasses", "nclass", "nc", "classes", "classnames", "numlabels"],
        "Remove the key: the classes are those of the data set.",
    ),
    (
        &["valdir", "valdata", "testdir", "train", "val", "valid", "trainsplit"],
        "Remove the key: the subfolders `train`, `val` and `test` of `data` are recognized.",
    ),
    (
        &["dropout", "drop", "droprate", "droppath", "droppathrate", "stochasticdepth"],
        "Remove the key: the networks have no adjustable dropout.",
    ),
    (&["shuffle"], "Remove the key: the training images are shuffled in every epoch."),
    (&["droplast"], "Remove the key: the last batch of an epoch contains the remaining images."),
    (
        &["pinmemory", "prefetch", "prefetchfactor", "persistentworkers"],
        "Remove the key: `workers` threads always load images ahead of training.",
    ),
    (
        &["compile", "torchcompile", "jit", "benchmark", "cudnnbenchmark"],
        "Remove the key: nothing has to be compiled.",
    ),
    (
        &["deterministic", "cudnndeterministic", "reproducible"],
        "Remove the key: on the CPU, equal `seed` and `threads` give identical results.",
    ),
    (
        &["tensorboard", "wandb", "logger", "loggers", "reportto"],
        "Remove the key: the run folder always contains metrics as JSON, CSV and TensorBoard logs.",
    ),
    (
        &["verbose", "progress", "progressbar", "progbar"],
        "Remove the key: the command line shows the progress, and hooks such as `onEpoch` get it.",
    ),
    (
        &["savebest", "savebestonly", "savemodel", "save"],
        "Remove the key: the best and the last checkpoint are always saved.",
    ),
    (
        &["vflip", "flipud", "verticalflip"],
        "Remove the key: there is no vertical flip; `transform.flip` mirrors images horizontally.",
    ),
    (
        &[
            "rotation",
            "rotationrange",
            "rotate",
            "degrees",
            "shear",
            "shearrange",
            "translate",
            "zoomrange",
            "colorjitter",
            "brightness",
            "contrast",
            "saturation",
            "hue",
        ],
        "Set `transform: { policy: 'randaugment' }`, which rotates, shears, shifts and recolors.",
    ),
    (
        &["criterion", "lossfn", "lossfunction", "objective", "focalloss"],
        "Remove the key: the loss is cross-entropy; its settings are in `loss`.",
    ),
    (
        &[
            "callbacks",
            "onstart",
            "onstep",
            "onepoch",
            "oncheckpoint",
            "onwarning",
            "onend",
            "ondownload",
            "signal",
            "arrays",
            "report",
        ],
        "Pass hooks, `signal`, `arrays` and `report` in the second argument of `train()`.",
    ),
    (
        &["stepsperepoch", "limittrainbatches"],
        "Remove the key: an epoch contains all images; `data.limit` limits their number.",
    ),
    (
        &["warmupsteps", "numwarmupsteps", "warmupratio", "warmupproportion"],
        "Set `warmup.epochs`, the length of the warm-up in epochs (fractions are allowed).",
    ),
    (
        &["warmuplr", "warmupinitlr", "warmupbiaslr"],
        "Set `warmup.startFactor`, the initial fraction of the learning rate.",
    ),
    (&["lrf"], "Set `schedule.minLr`, the final learning rate."),
    (&["tmax", "tinitial"], "Remove the key: the schedule spans all `epochs`."),
    (&["mps", "tpu", "xpu"], "Devices are `device: 'cpu'` and `device: 'cuda'`."),
    (&["dryrun"], "Run `residual train --dry-run`, or call `plan()`."),
    (&["config", "cfg"], "Pass the file to the command line: `--config FILE`."),
    (&["task", "mode", "framework"], "Remove the key: only image classifiers are trained."),
];
