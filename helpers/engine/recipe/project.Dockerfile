
# Stages for a project with a build backend, put behind the recipe of all directories once for each project of an image.
# The number of the project stands for @N, the stages below for @DEV and @PROD.
#
# PROJECT_NAME_@N   by which a container finds the checkout of the project
# INSTALLED_@N      editable, compiled or wheel
#
# Besides, projects/@N/ of the context holds project/ (the source, without data of git), project.json (backend and
# requirements), build-packages.txt (names of packages of the distribution) and the programs that build and install the
# wheel.
FROM ${BASE} AS project-tools-@N
USER root
ARG BASE_DIGEST

# The same step as above: the builder does it once.
RUN --mount=type=bind,source=system-packages.txt,target=/run/context/system-packages.txt \
    --mount=type=bind,source=install-system-packages.sh,target=/run/context/install-system-packages.sh \
    --mount=type=secret,id=host_env --mount=type=secret,id=apt_sources --mount=type=secret,id=ca \
    sh /run/context/install-system-packages.sh
RUN --mount=type=bind,source=projects/@N/build-packages.txt,target=/run/context/system-packages.txt \
    --mount=type=bind,source=install-system-packages.sh,target=/run/context/install-system-packages.sh \
    --mount=type=secret,id=host_env --mount=type=secret,id=apt_sources --mount=type=secret,id=ca \
    sh /run/context/install-system-packages.sh

ENV UV_NO_CACHE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1
ARG REQUIRES_PYTHON
ARG TARGETARCH
# With the Python of the image below, if it has one of ours.
RUN --mount=type=bind,from=tools,target=/run/tools \
    python=/opt/venv/bin/python; test -x "$python" || python=${REQUIRES_PYTHON:->=3.8}; \
    "/run/tools/${TARGETARCH}/uv" venv --no-project --python "$python" /build/env
ENV VIRTUAL_ENV=/build/env PATH=/build/env/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
COPY projects/@N/project.json projects/@N/build_wheel.py /build/

# The passwords in machine_env, which names no index of a project, are there only while wheels of the index are unpacked
# into an empty environment: code of the project and of its build requirements may replace every file of a stage in which
# it runs. That code gets the certificates and proxies of the host.
FROM project-tools-@N AS project-asks-@N
RUN python /build/build_wheel.py requirements > /build/requirements.txt
RUN --mount=type=bind,from=tools,target=/run/tools --mount=type=secret,id=machine_env --mount=type=secret,id=ca \
    . /run/secrets/machine_env && "/run/tools/${TARGETARCH}/uv" pip install --quiet --only-binary :all: \
    --requirements /build/requirements.txt
COPY projects/@N/project/ /build/project/
RUN --mount=type=secret,id=backend_env --mount=type=secret,id=ca \
    . /run/secrets/backend_env && python /build/build_wheel.py ask /build/project /build/asked.txt

FROM project-tools-@N AS project-wheel-@N
RUN --mount=type=bind,from=project-asks-@N,source=/build/asked.txt,target=/run/asked.txt \
    python /build/build_wheel.py requirements /run/asked.txt > /build/requirements.txt
RUN --mount=type=bind,from=tools,target=/run/tools --mount=type=secret,id=machine_env --mount=type=secret,id=ca \
    . /run/secrets/machine_env && "/run/tools/${TARGETARCH}/uv" pip install --quiet --only-binary :all: \
    --requirements /build/requirements.txt
COPY projects/@N/project/ /build/project/
RUN --mount=type=secret,id=backend_env --mount=type=secret,id=ca \
    . /run/secrets/backend_env && python /build/build_wheel.py wheel /build/project /build/wheel

FROM @DEV AS project-dev-@N
ARG PROJECT_NAME_@N
ARG INSTALLED_@N
RUN --mount=type=bind,from=project-wheel-@N,source=/build/wheel,target=/run/wheel \
    --mount=type=bind,source=projects/@N,target=/run/context \
    --mount=type=bind,from=tools,target=/run/tools \
    /opt/venv/bin/python -I /run/context/install_project.py \
    "/run/tools/${TARGETARCH}/uv" /run/wheel "${INSTALLED_@N}" "${PROJECT_NAME_@N}" /run/context/project

FROM @PROD AS project-prod-@N
RUN --mount=type=bind,from=project-wheel-@N,source=/build/wheel,target=/run/wheel \
    --mount=type=bind,source=projects/@N,target=/run/context \
    --mount=type=bind,from=tools,target=/run/tools \
    /opt/venv/bin/python -I /run/context/install_project.py "/run/tools/${TARGETARCH}/uv" /run/wheel
