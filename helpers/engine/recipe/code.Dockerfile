
# The last one, if the directory is no project: its code is not installed, and its siblings are.
FROM projects-prod AS code-prod
ARG NAME
ENV PYTHONPATH=/app/${NAME}:/app/${NAME}/src${PYTHONPATH:+:${PYTHONPATH}}
RUN ["/opt/venv/bin/python", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "/app"]
USER 65532:65532
