"""What is here of all that a build or a training needs: packages, machine, disks, variables. Nothing is changed."""
