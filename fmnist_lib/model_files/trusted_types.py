"""Allow-list of the types and loaders in a model file, by full name.

Nothing in the model directory can extend it, and types that only skops trusts by default (all of
scikit-learn) are rejected.
"""

from __future__ import annotations

_OWN = """
fmnist_lib.features.block.FeatureBlock
fmnist_lib.features.gradients.OrientedGradients
fmnist_lib.features.patch_scales.PatchScales
fmnist_lib.features.patches.PatchDictionary
fmnist_lib.features.pixels.Pixels
fmnist_lib.features.scaling.OverallScaler
fmnist_lib.models.kernel.KernelClassifier
"""

#: Estimators and transformers of the searches, and types of their fitted attributes.
_ESTIMATORS = """
lightgbm.basic.Booster
lightgbm.sklearn.LGBMClassifier
sklearn._loss._loss.CyHalfBinomialLoss
sklearn._loss._loss.CyHalfMultinomialLoss
sklearn._loss.link.Interval
sklearn._loss.link.LogitLink
sklearn._loss.link.MultinomialLogit
sklearn._loss.loss.HalfBinomialLoss
sklearn._loss.loss.HalfMultinomialLoss
sklearn.decomposition._pca.PCA
sklearn.discriminant_analysis.LinearDiscriminantAnalysis
sklearn.discriminant_analysis.QuadraticDiscriminantAnalysis
sklearn.dummy.DummyClassifier
sklearn.ensemble._forest.ExtraTreesClassifier
sklearn.ensemble._forest.RandomForestClassifier
sklearn.ensemble._hist_gradient_boosting.binning._BinMapper
sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingClassifier
sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor
sklearn.ensemble._voting.VotingClassifier
sklearn.kernel_approximation.Nystroem
sklearn.linear_model._logistic.LogisticRegression
sklearn.metrics._dist_metrics.EuclideanDistance64
sklearn.metrics._dist_metrics.ManhattanDistance64
sklearn.metrics._dist_metrics.MinkowskiDistance64
sklearn.neighbors._ball_tree.BallTree
sklearn.neighbors._classification.KNeighborsClassifier
sklearn.neighbors._kd_tree.KDTree
sklearn.neural_network._multilayer_perceptron.MLPClassifier
sklearn.neural_network._stochastic_optimizers.AdamOptimizer
sklearn.neural_network._stochastic_optimizers.SGDOptimizer
sklearn.pipeline.FeatureUnion
sklearn.pipeline.Pipeline
sklearn.preprocessing._data.Normalizer
sklearn.preprocessing._data.StandardScaler
sklearn.preprocessing._label.LabelBinarizer
sklearn.preprocessing._label.LabelEncoder
sklearn.tree._classes.DecisionTreeClassifier
sklearn.tree._classes.ExtraTreeClassifier
sklearn.tree._tree.Tree
tpot.builtin_modules.passthrough.Passthrough
tpot.builtin_modules.passthrough.SkipTransformer
"""

#: Plain values, arrays and containers.
_PLAIN = """
builtins.bool
builtins.dict
builtins.float
builtins.int
builtins.list
builtins.set
builtins.slice
builtins.str
builtins.tuple
collections.OrderedDict
collections.defaultdict
numpy.bool
numpy.dtype
numpy.float16
numpy.float32
numpy.float64
numpy.int16
numpy.int32
numpy.int64
numpy.int8
numpy.ndarray
numpy.random._generator.Generator
numpy.random.mtrand.RandomState
numpy.str_
numpy.uint16
numpy.uint32
numpy.uint64
numpy.uint8
scipy.sparse._csr.csr_matrix
"""

TRUSTED_TYPES = frozenset(f"{_OWN}{_ESTIMATORS}{_PLAIN}".split())

#: Allowed skops nodes. Functions, methods, partials, operators and constructor calls with arguments
#: from the file are excluded: no model of this project needs them.
LOADERS = frozenset(
    {
        "CachedNode",
        "DTypeNode",
        "DefaultDictNode",
        "DictNode",
        "JsonNode",
        "ListNode",
        "LossNode",
        "NdArrayNode",
        "ObjectNode",
        "RandomGeneratorNode",
        "RandomStateNode",
        "SetNode",
        "SliceNode",
        "SparseMatrixNode",
        "TreeNode",
        "TupleNode",
        "TypeNode",
    }
)
