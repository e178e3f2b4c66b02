# An image in which the caller has a name and a home, for containers that another program than ours starts: it knows no
# numbers of users. Layers below stay as they are.
#
# BASE   the image of a runnable dir
# OWNER  numbers of the caller, UID:GID
# HOME   the caller's home directory in a container
ARG BASE
FROM ${BASE}
USER 0:0
COPY --chmod=0644 passwd group /etc/
ARG OWNER
ARG HOME
RUN mkdir -p "${HOME}" && chown "${OWNER}" "${HOME}" && chmod 0700 "${HOME}"
USER ${OWNER}
