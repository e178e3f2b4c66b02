
# Put behind the stages of all projects of an image; the number of the last project stands for @N.
FROM project-dev-@N AS project-dev

FROM project-prod-@N AS projects-prod
RUN --mount=type=bind,from=tools,target=/run/tools \
    UV_NO_CACHE=1 "/run/tools/${TARGETARCH}/uv" pip check --python /opt/venv/bin/python
ARG NAME
COPY code/ /app/${NAME}/
ENV PYTHONUNBUFFERED=1
WORKDIR /app/${NAME}

# The last one, if the directory is a project: its ENTRYPOINT is appended.
FROM projects-prod AS project-prod
# The user of the other images of this stage.
USER 65532:65532
