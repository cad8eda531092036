# pbt_folder(FOLDER DEPENDENCIES...): the static library of the sources in src/FOLDER (not of the folders in it) and what
# src/FOLDER/folder.cmake adds. It is called pbt_FOLDER, with _ for /. A dependency that is not there yet is an error, so
# that the order of the calls is the order of the floors. FOLDER and its dependencies are noted for tests/layout/test_layout.sh.
function(pbt_folder folder)
  string(REPLACE "/" "_" name pbt_${folder})
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${folder}/*.c)
  foreach(dependency ${ARGN})
    if(dependency MATCHES "^pbt_" AND NOT TARGET ${dependency})
      message(FATAL_ERROR "src/${folder} links ${dependency}, which CMakeLists.txt does not name above it")
    endif()
  endforeach()
  add_library(${name} STATIC ${sources})
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(${name} PUBLIC ${ARGN})
  pbt_part_of_library(${name})
  string(REPLACE ";" " " dependencies "${ARGN}")
  set_property(GLOBAL APPEND_STRING PROPERTY PBT_LAYOUT "${folder} ${dependencies}\n")
  if(EXISTS ${PROJECT_SOURCE_DIR}/src/${folder}/folder.cmake)
    include(${PROJECT_SOURCE_DIR}/src/${folder}/folder.cmake)
  endif()
endfunction()

# The objects of `target` go into libpbt (PbtLibrary.cmake): usable in a shared library, hidden unless a public header
# declares them (base/declarations.h), and called directly within the library.
function(pbt_part_of_library target)
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden)
  target_compile_options(${target} PRIVATE -fno-semantic-interposition)
  set_property(GLOBAL APPEND PROPERTY PBT_FOLDERS ${target})
  get_target_property(libraries ${target} LINK_LIBRARIES)
  foreach(library ${libraries})
    if(library AND NOT library MATCHES "^pbt_")
      set_property(GLOBAL APPEND PROPERTY PBT_EXTERNALS ${library})
    endif()
  endforeach()
endfunction()

# Every tests/FOLDER/test_*.c is one cmocka program, linked with pbt_FOLDER and what that needs. Tests run in the
# source folder, with PBT_BINARY (the program) and PBT_TEST_DATA (tests/data) in the environment. Tests in
# tests/cli/ drive the program itself; tests/FOLDER/test_*.sh are run with bash. A test that cannot run
# here ends with 77 and counts as skipped.
function(pbt_tests)
  file(GLOB folders CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}/tests ${PROJECT_SOURCE_DIR}/tests/*)
  foreach(folder ${folders})
    file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/${folder}/test_*.c)
    foreach(source ${sources})
      get_filename_component(stem ${source} NAME_WE)
      set(target ${folder}_${stem})
      add_executable(${target} ${source})
      set(library pbt_${folder})
      if(NOT TARGET ${library})
        set(library pbt_experiment pbt_pocket)
      endif()
      target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
      target_link_libraries(${target} PRIVATE ${library} PkgConfig::CMOCKA m)
      add_test(NAME ${folder}/${stem} COMMAND ${target} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
      set_tests_properties(${folder}/${stem} PROPERTIES TIMEOUT 300 SKIP_RETURN_CODE 77 ENVIRONMENT
        "PBT_BINARY=$<TARGET_FILE:pbt>;PBT_TEST_DATA=${PROJECT_SOURCE_DIR}/tests/data;OMP_NUM_THREADS=2")
    endforeach()
    file(GLOB scripts CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/${folder}/test_*.sh)
    if(folder STREQUAL "install" AND (PBT_SANITIZE OR PBT_SANITIZE_THREAD))
      continue() # its programs would be built without the sanitizer that the library needs
    endif()
    foreach(script ${scripts})
      get_filename_component(stem ${script} NAME_WE)
      add_test(NAME ${folder}/${stem} COMMAND bash ${script} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
      set_tests_properties(${folder}/${stem} PROPERTIES TIMEOUT 600 SKIP_RETURN_CODE 77 ENVIRONMENT
        "PBT_BINARY=$<TARGET_FILE:pbt>;PBT_BUILD_FOLDER=${PROJECT_BINARY_DIR};PBT_TEST_DATA=${PROJECT_SOURCE_DIR}/tests/data")
    endforeach()
  endforeach()
  get_property(layout GLOBAL PROPERTY PBT_LAYOUT)
  file(WRITE ${PROJECT_BINARY_DIR}/layout.txt "${layout}") # for tests/layout/test_layout.sh
endfunction()

# Every bench/bench_*.c is one program; it may use a CBLAS as its peer where one was found.
function(pbt_benchmarks)
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bench/bench_*.c)
  foreach(source ${sources})
    get_filename_component(stem ${source} NAME_WE)
    add_executable(${stem} EXCLUDE_FROM_ALL ${source})
    target_link_libraries(${stem} PRIVATE pbt_experiment pbt_pocket m)
    if(CBLAS_FOUND)
      target_link_libraries(${stem} PRIVATE PkgConfig::CBLAS)
      target_compile_definitions(${stem} PRIVATE PBT_HAVE_CBLAS=1)
    endif()
  endforeach()
endfunction()

# Every tests/fuzz/fuzz_*.c is one libFuzzer program (preset fuzz, clang); the target "fuzzers" is all of them. They
# link model and chat, the folders of the parsers; fuzz_yaml has its one source file, to spare building the rest.
function(pbt_fuzzers)
  add_custom_target(fuzzers)
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/fuzz/fuzz_*.c)
  foreach(source ${sources})
    get_filename_component(stem ${source} NAME_WE)
    add_executable(${stem} ${source})
    target_link_libraries(${stem} PRIVATE pbt_model pbt_chat m)
    target_link_options(${stem} PRIVATE -fsanitize=fuzzer)
    add_dependencies(fuzzers ${stem})
  endforeach()
  target_sources(fuzz_yaml PRIVATE ${PROJECT_SOURCE_DIR}/src/settings/yaml.c)
  target_link_libraries(fuzz_yaml PRIVATE PkgConfig::YAML)
endfunction()
