// The words that names are made of: qualities, and people of science and computing. Internal to names.cpp.
#pragma once

#include <array>
#include <string_view>

namespace sandboxd::orch::opensbx {

inline constexpr auto kAdjectives = std::to_array<std::string_view>({
    "able",       "agile",     "alert",      "amber",    "ample",    "ardent",   "artful",   "astute",   "autumn",
    "azure",      "balanced",  "beaming",    "bold",     "boring",   "brave",    "breezy",   "bright",   "brisk",
    "bubbly",     "calm",      "candid",     "careful",  "caring",   "cheerful", "civil",    "classic",  "clear",
    "clever",     "cloudless", "coastal",    "composed", "constant", "cordial",  "cosmic",   "cosy",     "crisp",
    "curious",    "dapper",    "daring",     "dazzling", "decent",   "deft",     "devoted",  "diligent", "direct",
    "dreamy",     "eager",     "earnest",    "earthy",   "easy",     "elated",   "elegant",  "eloquent", "eminent",
    "endless",    "epic",      "even",       "exact",    "fair",     "faithful", "famous",   "fearless", "festive",
    "fine",       "firm",      "fluent",     "fond",     "frank",    "free",     "fresh",    "friendly", "frosty",
    "gallant",    "generous",  "gentle",     "genuine",  "giddy",    "glad",     "gleaming", "golden",   "graceful",
    "grand",      "grateful",  "happy",      "hardy",    "hearty",   "helpful",  "honest",   "hopeful",  "humble",
    "ideal",      "jolly",     "jovial",     "joyful",   "keen",     "kind",     "lively",   "logical",  "loyal",
    "lucid",      "lucky",     "mellow",     "merry",    "mighty",   "mindful",  "modest",   "musing",   "neat",
    "nimble",     "noble",     "optimistic", "patient",  "peaceful", "playful",  "polite",   "precise",  "proud",
    "quick",      "quiet",     "radiant",    "rapid",    "ready",    "robust",   "serene",   "sharp",    "sincere",
    "smart",      "snug",      "solid",      "spirited", "steady",   "sturdy",   "sunny",    "swift",    "tender",
    "thoughtful", "tidy",      "tranquil",   "trusty",   "upbeat",   "valiant",  "vibrant",  "vivid",    "warm",
    "wise",       "witty",     "zealous",    "zesty",
});

inline constexpr auto kSurnames = std::to_array<std::string_view>({
    "abel",        "agassiz",     "agnesi",      "airy",       "alhazen",      "ampere",       "anning",
    "apgar",       "archimedes",  "aristarchus", "arrhenius",  "aryabhata",    "avogadro",     "babbage",
    "backus",      "bacon",       "baekeland",   "banach",     "banting",      "bardeen",      "bartik",
    "bassi",       "becquerel",   "bell",        "bernoulli",  "berzelius",    "bessel",       "bethe",
    "bhabha",      "bhaskara",    "biot",        "birkhoff",   "black",        "blackett",     "boas",
    "bohr",        "boltzmann",   "boole",       "born",       "bose",         "boyle",        "bragg",
    "brahe",       "brahmagupta", "brattain",    "braun",      "brown",        "buck",         "bunsen",
    "burnell",     "cantor",      "cardano",     "carnot",     "carson",       "cartan",       "carver",
    "cauchy",      "cavendish",   "cayley",      "celsius",    "cerf",         "chadwick",     "chandrasekhar",
    "charpak",     "chatelet",    "chebyshev",   "cherenkov",  "church",       "clarke",       "clausius",
    "compton",     "copernicus",  "cori",        "coriolis",   "coulomb",      "crick",        "curie",
    "cuvier",      "dalton",      "darwin",      "davy",       "debye",        "dedekind",     "descartes",
    "dijkstra",    "diophantus",  "dirac",       "doppler",    "dubinsky",     "easley",       "eddington",
    "edison",      "ehrlich",     "einstein",    "elion",      "engelbart",    "eratosthenes", "erdos",
    "euclid",      "euler",       "faraday",     "fermat",     "fermi",        "feynman",      "fibonacci",
    "fisher",      "fizeau",      "fleming",     "foucault",   "fourier",      "franklin",     "fraunhofer",
    "fresnel",     "galileo",     "galois",      "galvani",    "gauss",        "geiger",       "germain",
    "gibbs",       "glashow",     "godel",       "goeppert",   "goldberg",     "golgi",        "goodall",
    "gosset",      "hahn",        "haldane",     "halley",     "hamilton",     "hardy",        "harvey",
    "hausdorff",   "hawking",     "heaviside",   "heisenberg", "helmholtz",    "hermann",      "hermite",
    "herschel",    "hertz",       "hess",        "higgs",      "hilbert",      "hipparchus",   "hodgkin",
    "hooke",       "hopper",      "hubble",      "humboldt",   "huygens",      "hypatia",      "ibnsina",
    "jackson",     "jacobi",      "jang",        "jenner",     "jennings",     "johnson",      "joliot",
    "joule",       "kalam",       "kapitsa",     "kare",       "kelvin",       "kepler",       "khayyam",
    "khorana",     "kilby",       "kirch",       "kirchhoff",  "klein",        "knuth",        "koch",
    "kolmogorov",  "kovalevsky",  "lagrange",    "lalande",    "lamarck",      "lamarr",       "lamport",
    "landau",      "langevin",    "laplace",     "laue",       "lavoisier",    "leakey",       "leavitt",
    "lebesgue",    "leeuwenhoek", "legendre",    "leibniz",    "levi",         "lie",          "linnaeus",
    "lister",      "lorentz",     "lovelace",    "lumiere",    "lyell",        "mach",         "maiman",
    "marconi",     "margulis",    "maxwell",     "mayer",      "mcclintock",   "mclean",       "meitner",
    "mendel",      "mendeleev",   "mersenne",    "michelson",  "millikan",     "minkowski",    "mirzakhani",
    "montalcini",  "morley",      "moser",       "napier",     "nash",         "neumann",      "newton",
    "nightingale", "nobel",       "noether",     "noyce",      "ohm",          "oppenheimer",  "ostwald",
    "pascal",      "pasteur",     "pauli",       "pauling",    "payne",        "peano",        "pearson",
    "penrose",     "perlman",     "planck",      "poincare",   "poisson",      "priestley",    "proskuriakova",
    "ptolemy",     "purcell",     "pythagoras",  "rabi",       "raman",        "ramanujan",    "rayleigh",
    "ride",        "riemann",     "ritchie",     "robinson",   "roentgen",     "rubin",        "rutherford",
    "sagan",       "saha",        "salam",       "sammet",     "sanger",       "schrodinger",  "schwinger",
    "seaborg",     "shannon",     "shaw",        "shirley",    "shockley",     "siegbahn",     "sinoussi",
    "snell",       "snyder",      "solomon",     "sommerfeld", "spence",       "stallman",     "stefan",
    "steno",       "stirling",    "stokes",      "strutt",     "swanson",      "swartz",       "swirles",
    "szilard",     "tesla",       "thales",      "tharp",      "thompson",     "thomson",      "torricelli",
    "townes",      "turing",      "vaughan",     "villani",    "visvesvaraya", "volhard",      "volta",
    "vonlinde",    "waals",       "wallace",     "watson",     "watt",         "weber",        "wegener",
    "weierstrass", "weyl",        "wheeler",     "wien",       "wigner",       "wilbur",       "wiles",
    "wing",        "wozniak",     "wright",      "wu",         "yalow",        "yang",         "yonath",
    "young",       "yukawa",      "zeeman",      "zernike",    "zhukovsky",
});

}  // namespace sandboxd::orch::opensbx
