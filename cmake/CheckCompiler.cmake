# Refuses compilers that build C++20 coroutines wrongly (ADR 0001).
set(_version ${CMAKE_CXX_COMPILER_VERSION})
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang" AND _version VERSION_GREATER_EQUAL 17)
elseif(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND _version VERSION_GREATER_EQUAL 13)
else()
  message(FATAL_ERROR
    "sandboxd needs clang 17 or newer (or GCC 13): found ${CMAKE_CXX_COMPILER_ID} ${_version} at "
    "${CMAKE_CXX_COMPILER}. Older compilers build C++20 coroutines wrongly without a warning: GCC 12, Debian 12's "
    "default, destroys temporaries of an awaited call twice. On Debian 12: apt-get install clang-19, and unset CXX.")
endif()
