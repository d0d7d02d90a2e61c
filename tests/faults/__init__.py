"""What happens when runs are killed, disks fill, and several processes meet."""
