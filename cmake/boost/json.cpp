// Boost.JSON's own code, compiled once. Nobody else includes boost/json/src.hpp.
#include <boost/json/src.hpp>
