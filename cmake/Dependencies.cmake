# Everything that is not ours. Boost comes from the PyPI package libboost-headers (Debian 12's 1.81 is too old).
find_package(Python 3.11 REQUIRED COMPONENTS Interpreter OPTIONAL_COMPONENTS Development.Module)
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(Protobuf REQUIRED)
find_package(ZLIB REQUIRED)
pkg_check_modules(GRPCPP REQUIRED IMPORTED_TARGET grpc++)
pkg_check_modules(NFTABLES REQUIRED IMPORTED_TARGET libnftables)
find_program(GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)

if(NOT SANDBOXD_BOOST_INCLUDE_DIR)
  execute_process(
    COMMAND ${Python_EXECUTABLE} -c
      "import importlib.util as u, os; s = u.find_spec('libboost_headers'); print(os.path.join(list(s.submodule_search_locations)[0], 'include') if s else '')"
    OUTPUT_VARIABLE SANDBOXD_BOOST_INCLUDE_DIR OUTPUT_STRIP_TRAILING_WHITESPACE)
endif()
if(NOT EXISTS ${SANDBOXD_BOOST_INCLUDE_DIR}/boost/version.hpp)
  message(FATAL_ERROR "Boost headers not found. Run: ${Python_EXECUTABLE} -m pip install libboost-headers==1.88.0, "
    "or set SANDBOXD_BOOST_INCLUDE_DIR to the include directory of Boost 1.86 or newer.")
endif()
file(STRINGS ${SANDBOXD_BOOST_INCLUDE_DIR}/boost/version.hpp _boost REGEX "define BOOST_VERSION ")
string(REGEX REPLACE "[^0-9]" "" _boost "${_boost}")
if(_boost LESS 108600)
  message(FATAL_ERROR "Boost ${_boost} in ${SANDBOXD_BOOST_INCLUDE_DIR} is too old: 1.86 or newer is needed.")
endif()
