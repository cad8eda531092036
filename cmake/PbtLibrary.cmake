# pbt_library(): libpbt as others use it, one shared library and one archive of the objects of all folders, which are
# compiled once (PbtFolder.cmake notes them). Installed as the CMake package "pbt" (pbt::pbt, pbt::pbt_static) and the
# pkg-config module "pbt"; the public headers are include/pbt/pbt.h and what it includes.
function(pbt_library)
  get_property(folders GLOBAL PROPERTY PBT_FOLDERS)
  get_property(externals GLOBAL PROPERTY PBT_EXTERNALS)
  list(REMOVE_DUPLICATES externals)
  foreach(folder ${folders})
    list(APPEND objects $<TARGET_OBJECTS:${folder}>)
  endforeach()
  add_library(pbt_shared SHARED ${objects})
  add_library(pbt_static STATIC ${objects})
  # Until 1.0 a minor version may change the binary interface, so it is part of the library's name.
  set_target_properties(pbt_shared PROPERTIES OUTPUT_NAME pbt EXPORT_NAME pbt VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR} LINKER_LANGUAGE C)
  set_target_properties(pbt_static PROPERTIES OUTPUT_NAME pbt LINKER_LANGUAGE C)
  foreach(library pbt_shared pbt_static)
    target_include_directories(${library} INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
      $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  endforeach()
  target_link_libraries(pbt_shared PUBLIC PkgConfig::JANSSON PRIVATE ${externals})
  target_link_libraries(pbt_static PUBLIC ${externals})
  if(NOT PBT_SANITIZE AND NOT PBT_SANITIZE_THREAD)
    target_link_options(pbt_shared PRIVATE -Wl,--no-undefined)
  endif()
  add_library(pbt::pbt ALIAS pbt_shared)
  add_library(pbt::pbt_static ALIAS pbt_static)
  pbt_install_library("${externals}")
endfunction()

# What a program that links libpbt needs besides: modules of pkg-config and libraries without one.
function(pbt_split_externals externals modules libraries)
  foreach(external ${externals})
    if(external MATCHES "^PkgConfig::(.*)$")
      list(APPEND found "${CMAKE_MATCH_1}=${${CMAKE_MATCH_1}_MODULE_NAME}")
    elseif(external STREQUAL "Threads::Threads")
      list(APPEND others "-pthread")
    elseif(IS_ABSOLUTE "${external}")
      get_filename_component(name ${external} NAME_WE)
      string(REGEX REPLACE "^lib" "-l" name ${name})
      list(APPEND others ${name})
    else()
      list(APPEND others "-l${external}")
    endif()
  endforeach()
  set(${modules} ${found} PARENT_SCOPE)
  set(${libraries} ${others} PARENT_SCOPE)
endfunction()

function(pbt_install_library externals)
  install(TARGETS pbt_shared EXPORT pbtTargets
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library NAMELINK_COMPONENT development)
  install(TARGETS pbt_static EXPORT pbtStaticTargets
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
  set(package ${CMAKE_INSTALL_LIBDIR}/cmake/pbt)
  install(EXPORT pbtTargets NAMESPACE pbt:: DESTINATION ${package} COMPONENT development)
  install(EXPORT pbtStaticTargets NAMESPACE pbt:: DESTINATION ${package} COMPONENT development)

  pbt_split_externals("${externals}" modules libraries)
  set(PBT_MODULES "${modules}")
  include(CMakePackageConfigHelpers)
  configure_package_config_file(cmake/pbtConfig.cmake.in ${PROJECT_BINARY_DIR}/pbtConfig.cmake
    INSTALL_DESTINATION ${package})
  write_basic_package_version_file(${PROJECT_BINARY_DIR}/pbtConfigVersion.cmake COMPATIBILITY SameMinorVersion)
  install(FILES ${PROJECT_BINARY_DIR}/pbtConfig.cmake ${PROJECT_BINARY_DIR}/pbtConfigVersion.cmake
    DESTINATION ${package} COMPONENT development)

  # The prefix of pbt.pc is told from where it lies, so that an installation may be moved.
  set(PBT_PC_FOLDER ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig)
  file(RELATIVE_PATH PBT_PC_PREFIX ${PBT_PC_FOLDER} ${CMAKE_INSTALL_PREFIX})
  string(REGEX REPLACE "/$" "" PBT_PC_PREFIX "${PBT_PC_PREFIX}")
  foreach(folder INCLUDEDIR LIBDIR)
    if(IS_ABSOLUTE "${CMAKE_INSTALL_${folder}}")
      set(PBT_PC_${folder} ${CMAKE_INSTALL_${folder}})
    else()
      set(PBT_PC_${folder} "\${prefix}/${CMAKE_INSTALL_${folder}}")
    endif()
  endforeach()
  string(REGEX REPLACE "[^;=]*=" "" modules "${modules}")
  list(REMOVE_ITEM modules jansson) # public: base/json.h hands out its values
  string(REPLACE ";" " " PBT_PC_MODULES "${modules}")
  string(REPLACE ";" " " PBT_PC_LIBRARIES "${libraries}")
  configure_file(cmake/pbt.pc.in ${PROJECT_BINARY_DIR}/pbt.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/pbt.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)

  install(CODE "
    set(PBT_SOURCE \"${PROJECT_SOURCE_DIR}\")
    set(PBT_HEADERS \"${PROJECT_BINARY_DIR}/include/pbt\")
    include(\"${PROJECT_SOURCE_DIR}/cmake/PbtHeaders.cmake\")" COMPONENT development)
  install(DIRECTORY ${PROJECT_BINARY_DIR}/include/pbt DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
    COMPONENT development)
endfunction()
