#!/bin/bash -e
# Runs in pi-gen's chroot stage: installs the package for the image's architecture.
install -m 644 files/thingway_*.deb "${ROOTFS_DIR}/tmp/"
on_chroot << EOF
dpkg --install /tmp/thingway_*_\$(dpkg --print-architecture).deb
rm -f /tmp/thingway_*.deb
EOF
